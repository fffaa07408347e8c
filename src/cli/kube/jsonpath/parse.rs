//! Text to templates.

use super::{Comparison, Operand, Path, Piece, Start, Step};
use serde_json::Value;

/// Ranges and filters in each other; far above what people write.
const DEPTH: usize = 32;

/// A template that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSONPath template: {problem} at character {at}")]
pub struct ParseError {
    pub problem: String,
    /// From 1.
    pub at: usize,
}

pub(super) fn template(text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut parser = Parser { text: text.chars().collect(), at: 0, depth: 0 };
    let pieces = parser.pieces(false)?;
    Ok(pieces)
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

/// What stands between braces.
enum Action {
    Piece(Piece),
    Range(Path),
    End,
}

impl Parser {
    /// Up to the end of the text, or of the range that is being read.
    fn pieces(&mut self, in_range: bool) -> Result<Vec<Piece>, ParseError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        loop {
            match self.next() {
                None if in_range => return Err(self.fail("a `range` without `end`")),
                None => break,
                Some('{') => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    match self.action()? {
                        Action::Piece(piece) => pieces.push(piece),
                        Action::Range(path) => {
                            self.deeper()?;
                            pieces.push(Piece::Range(path, self.pieces(true)?));
                            self.depth -= 1;
                        }
                        Action::End if in_range => return Ok(pieces),
                        Action::End => return Err(self.fail("an `end` without `range`")),
                    }
                }
                Some(other) => literal.push(other),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(pieces)
    }

    /// From behind `{` to behind `}`.
    fn action(&mut self) -> Result<Action, ParseError> {
        self.blanks();
        let action = match self.peek() {
            Some('"' | '\'') => Action::Piece(Piece::Text(self.quoted()?)),
            _ if self.word("range") => {
                self.blanks();
                Action::Range(self.path()?)
            }
            _ if self.word("end") => Action::End,
            _ => Action::Piece(Piece::Path(self.path()?)),
        };
        self.blanks();
        self.expect('}')?;
        Ok(action)
    }

    fn path(&mut self) -> Result<Path, ParseError> {
        let start = match self.peek() {
            Some('$') => {
                self.at += 1;
                Start::Root
            }
            Some('@') => {
                self.at += 1;
                Start::Current
            }
            Some('.' | '[') => Start::Current,
            _ => return Err(self.fail("a path starts with `.`, `[`, `@` or `$`, and there is none")),
        };
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('[') => {
                    self.at += 1;
                    steps.push(self.bracket()?);
                }
                Some('.') => {
                    self.at += 1;
                    if self.peek() == Some('.') {
                        self.at += 1;
                        steps.push(Step::Descend);
                    }
                    match self.peek() {
                        Some('[') => {}
                        Some('*') => {
                            self.at += 1;
                            steps.push(Step::All);
                        }
                        // `{.}` is the value itself.
                        _ => steps.extend(self.name().map(|name| Step::Fields(vec![name]))),
                    }
                }
                _ => return Ok(Path { start, steps }),
            }
        }
    }

    /// A name up to what cannot be part of one; `\` takes any character in.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    name.extend(self.peek());
                }
                '.' | '[' | ']' | '{' | '}' | '(' | ')' | '=' | '!' | '<' | '>' | ',' | '"' | '\'' => break,
                c if c.is_whitespace() => break,
                c => name.push(c),
            }
            self.at = (self.at + 1).min(self.text.len());
        }
        (!name.is_empty()).then_some(name)
    }

    /// From behind `[` to behind `]`.
    fn bracket(&mut self) -> Result<Step, ParseError> {
        self.blanks();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::All
            }
            Some('?') => {
                self.at += 1;
                self.filter()?
            }
            Some('"' | '\'') => Step::Fields(self.list(Self::quoted)?),
            _ => self.numbers()?,
        };
        self.blanks();
        self.expect(']')?;
        Ok(step)
    }

    /// Indexes, or a slice.
    fn numbers(&mut self) -> Result<Step, ParseError> {
        let first = self.optional_number()?;
        self.blanks();
        if self.peek() != Some(':') {
            let Some(first) = first else {
                return Err(self.fail("an index, a name in quotes, `*` or `?(` is missing"));
            };
            let mut indexes = vec![first];
            while self.peek() == Some(',') {
                self.at += 1;
                self.blanks();
                indexes.push(self.optional_number()?.ok_or_else(|| self.fail("an index is missing"))?);
                self.blanks();
            }
            return Ok(Step::Indexes(indexes));
        }
        self.at += 1;
        let end = self.optional_number()?;
        let step = if self.peek() == Some(':') {
            self.at += 1;
            self.optional_number()?.unwrap_or(1)
        } else {
            1
        };
        if step < 1 {
            return Err(self.fail("the step of a slice must be at least 1"));
        }
        Ok(Step::Slice { start: first, end, step })
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, ParseError>) -> Result<Vec<T>, ParseError> {
        let mut all = Vec::new();
        loop {
            self.blanks();
            all.push(one(self)?);
            self.blanks();
            if self.peek() != Some(',') {
                return Ok(all);
            }
            self.at += 1;
        }
    }

    /// From behind `?` to behind `)`.
    fn filter(&mut self) -> Result<Step, ParseError> {
        self.expect('(')?;
        self.deeper()?;
        self.blanks();
        let left = self.operand()?;
        self.blanks();
        let test = match self.comparison() {
            None => None,
            Some(comparison) => {
                self.blanks();
                Some((comparison, self.operand()?))
            }
        };
        self.blanks();
        self.expect(')')?;
        self.depth -= 1;
        Ok(Step::Filter(left, test))
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        Ok(match self.peek() {
            Some('@' | '$' | '.' | '[') => Operand::Path(self.path()?),
            Some('"' | '\'') => Operand::Literal(Value::String(self.quoted()?)),
            _ => {
                let begin = self.at;
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
                    self.at += 1;
                }
                let word: String = self.text[begin..self.at].iter().collect();
                match serde_json::from_str(&word) {
                    Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Null)) => Operand::Literal(value),
                    _ => {
                        self.at = begin;
                        return Err(self.fail("a path, a number, `true`, `false` or text in quotes is missing"));
                    }
                }
            }
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let all = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let rest = &self.text[self.at..];
        let (sign, comparison) =
            all.into_iter().find(|(sign, _)| rest.iter().copied().take(sign.len()).eq(sign.chars()))?;
        self.at += sign.len();
        Some(comparison)
    }

    /// Text in quotes, with Go's escapes.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let begin = self.at;
        let Some(quote @ ('"' | '\'')) = self.next() else { return Err(self.fail("text in quotes is missing")) };
        let mut text = String::new();
        loop {
            match self.next() {
                None => {
                    self.at = begin;
                    return Err(self.fail("a quote is not closed"));
                }
                Some(c) if c == quote => return Ok(text),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => {}
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn optional_number(&mut self) -> Result<Option<i64>, ParseError> {
        self.blanks();
        let begin = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || (c == '-' && self.at == begin)) {
            self.at += 1;
        }
        if begin == self.at {
            return Ok(None);
        }
        let digits: String = self.text[begin..self.at].iter().collect();
        digits.parse().map(Some).map_err(|_| self.fail(format!("`{digits}` is no index")))
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH { Err(self.fail("too much in each other")) } else { Ok(()) }
    }

    /// Takes a keyword that ends where a name would.
    fn word(&mut self, word: &str) -> bool {
        let rest = &self.text[self.at..];
        let ends = rest.get(word.len()).is_none_or(|c| c.is_whitespace() || *c == '}');
        let found = ends && rest.iter().copied().take(word.len()).eq(word.chars());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), ParseError> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fail(format!("`{wanted}` is missing")))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn fail(&self, problem: impl Into<String>) -> ParseError {
        ParseError { problem: problem.into(), at: self.at + 1 }
    }
}
