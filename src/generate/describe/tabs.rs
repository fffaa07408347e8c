//! Text with tab characters, laid out as Go's `text/tabwriter` does for `kubectl describe`: cells that stand below each other in
//! lines that follow each other make a column, as wide as its widest cell and two blanks.

const PADDING: usize = 2;

/// Text that is written line by line at some depth.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    text: String,
    depth: usize,
}

impl Sheet {
    /// A line, two blanks further in for each level; cells are separated by tab characters.
    pub fn line(&mut self, level: usize, text: impl AsRef<str>) {
        self.text.extend(std::iter::repeat_n("  ", self.depth + level));
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// `Key:` and its value, or `<none>`.
    pub fn pair(&mut self, level: usize, key: &str, value: Option<&str>) {
        self.line(level, format!("{key}:\t{}", value.unwrap_or(crate::generate::columns::NONE)));
    }

    /// `Key:` and values below each other, or `<none>`.
    pub fn list(&mut self, level: usize, key: &str, values: impl IntoIterator<Item = String>) {
        let mut values = values.into_iter();
        self.pair(level, key, values.next().as_deref());
        values.for_each(|value| self.line(level, format!("\t{value}")));
    }

    /// Writes something some levels further in.
    pub fn deeper(&mut self, levels: usize, write: impl FnOnce(&mut Self)) {
        self.depth += levels;
        write(self);
        self.depth -= levels;
    }

    pub fn finish(self) -> String {
        align(&self.text)
    }
}

fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        // The last cell of a line belongs to no column.
        let has = |line: &Vec<&str>| line.len() > column + 1;
        let mut begin = 0;
        while begin < lines.len() {
            let end = begin + lines[begin..].iter().take_while(|line| has(line)).count();
            let widest = lines[begin..end].iter().map(|cells| cells[column].chars().count()).max();
            widths[begin..end].iter_mut().for_each(|of_line| of_line[column] = widest.unwrap_or(0) + PADDING);
            begin = end.max(begin + 1);
        }
    }
    let mut out = String::new();
    for (cells, widths) in lines.iter().zip(&widths) {
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_reach_as_far_as_lines_have_them() {
        let text = "Name:\tweb\nNamespace:\tdefault\nIPs:\n  IP:\t1\n  Other:\t2\tx\n";
        assert_eq!(align(text), "Name:       web\nNamespace:  default\nIPs:\n  IP:     1\n  Other:  2  x\n");
    }
}
