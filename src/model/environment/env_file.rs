//! Files of variables that a container wrote for another (Kubernetes, "Define Environment Variable Values Using An Init
//! Container"): `NAME='value'` a line, the value up to the next quote and over as many lines as it has.

/// A line that is none of a file of variables; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {reason}")]
pub struct EnvFileError {
    pub line: usize,
    reason: &'static str,
}

/// The value of one variable, the last when it is there more than once. Empty lines, and those that begin with `#`, say nothing;
/// a value without quotes ends with its line.
pub fn find(text: &str, name: &str) -> Result<Option<String>, EnvFileError> {
    let mut found = None;
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, length) = entry(rest).map_err(|reason| EnvFileError { line, reason })?;
        if let Some((_, value)) = entry.filter(|(n, _)| *n == name) {
            found = Some(value.to_owned());
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    Ok(found)
}

/// Name and value when there is one, and how many bytes it takes with its newline.
type Entry<'a> = (Option<(&'a str, &'a str)>, usize);

fn entry(text: &str) -> Result<Entry<'_>, &'static str> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, end));
    }
    let (name, value) = line.split_once('=').ok_or("has no `=`")?;
    if !super::is_variable_name(name) || name.ends_with(' ') {
        return Err("does not begin with the name of a variable");
    }
    match value.as_bytes().first() {
        Some(b'\'') => {
            let begin = text.find('=').map_or(end, |at| at + 2);
            let length = text[begin..].find('\'').ok_or("begins a value whose quote never ends")?;
            let after = begin + length + 1;
            let line_end = text[after..].find('\n').map_or(text.len(), |at| after + at + 1);
            let remark = text[after..line_end].trim();
            if !remark.is_empty() && !remark.starts_with('#') {
                return Err("goes on after the quote of its value");
            }
            Ok((Some((name, &text[begin..begin + length])), line_end))
        }
        Some(b'"') => Err("has a value in `\"`: use `'`"),
        _ => Ok((Some((name, value)), end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms() {
        let text =
            "# what the init container found\n\n  A='one'\nB=two words \nC='1\n2'  # two lines\nA='last'\nD=\nE='=\\n'";
        let value = |name: &str| find(text, name).map(|v| v.unwrap_or_else(|| "none".into()));
        for (name, expected) in
            [("A", "last"), ("B", "two words"), ("C", "1\n2"), ("D", ""), ("E", "=\\n"), ("F", "none")]
        {
            assert_eq!(value(name).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_variable_is_told_with_its_line() {
        for (text, line) in
            [("A='1'\nnothing", 2), ("A='1\n2'\n\n=x", 4), ("A='1\n", 1), ("A='1'x", 1), ("A=\"1\"", 1), ("A ='1'", 1)]
        {
            assert_eq!(find(text, "A").map_err(|e| e.line), Err(line), "{text}");
        }
    }
}
