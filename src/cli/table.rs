//! Columns of text, laid out as podman's listings are: at least 12 wide, two spaces between, the last one ragged.

/// Least width of a column, the gap included.
const MIN_WIDTH: usize = 12;
const GAP: usize = 2;

/// Lays rows out in columns; every row ends with a newline. Rows may have different lengths.
pub fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(|c| (width(c) + GAP).max(MIN_WIDTH)).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                text.extend(std::iter::repeat_n(' ', widths[column] - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

/// Lays out lines whose cells are separated by tab characters.
pub fn render_tabbed(text: &str) -> String {
    let rows: Vec<Vec<String>> = text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    render(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_at_least_twelve_wide_and_the_last_is_ragged() {
        assert_eq!(render_tabbed("ID\tNAME\nabcdefabcdef\tx\n"), "ID            NAME\nabcdefabcdef  x\n");
        assert_eq!(render_tabbed("ID\tNAME\na\tx\n"), "ID          NAME\na           x\n");
        assert_eq!(render_tabbed("IMAGE\tN\nüüüüüüüüüüüü\tx\n"), "IMAGE         N\nüüüüüüüüüüüü  x\n");
        assert_eq!(render(&[]), "");
    }
}
