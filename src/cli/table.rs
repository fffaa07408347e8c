//! Columns of text, the last one ragged.

/// How columns are laid out.
#[derive(Debug, Clone)]
pub struct Table {
    /// Least width of a column, the gap included.
    min_width: usize,
    gap: usize,
    /// Of the columns so far, the gap included.
    widths: Vec<usize>,
}

impl Table {
    /// As podman's listings are: at least 12 wide, two spaces between.
    pub fn podman() -> Self {
        Self { min_width: 12, gap: 2, widths: Vec::new() }
    }

    /// As kubectl's listings are: at least 6 wide, three spaces between.
    pub fn kubectl() -> Self {
        Self { min_width: 6, gap: 3, widths: Vec::new() }
    }

    /// Lays rows out in columns; every row ends with a newline. Rows may have different lengths. Columns never become narrower than
    /// they were in an earlier call.
    pub fn render(&mut self, rows: &[Vec<String>]) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        self.widths.resize(self.widths.len().max(columns), self.min_width);
        for (column, width) in self.widths.iter_mut().enumerate() {
            let cells = rows.iter().filter(|row| row.len() > column + 1).map(|row| row[column].chars().count());
            *width = cells.max().map_or(*width, |widest| (widest + self.gap).max(*width));
        }
        let mut text = String::new();
        for row in rows {
            for (column, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if column + 1 < row.len() {
                    text.extend(std::iter::repeat_n(' ', self.widths[column] - cell.chars().count()));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Lays rows out as podman's listings are.
pub fn render(rows: &[Vec<String>]) -> String {
    Table::podman().render(rows)
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

    #[test]
    fn columns_do_not_become_narrower_from_one_call_to_the_next() {
        let row = |a: &str, b: &str| vec![vec![a.to_owned(), b.to_owned()]];
        let mut table = Table::kubectl();
        assert_eq!(table.render(&row("a", "b")), "a     b\n");
        assert_eq!(table.render(&row("longer", "b")), "longer   b\n");
        assert_eq!(table.render(&row("a", "b")), "a        b\n");
    }
}
