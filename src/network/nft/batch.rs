//! A transaction on one table: all of it happens, or nothing.

use super::attributes::Attributes;
use super::expression::Expressions;

/// `NFNL_SUBSYS_NFTABLES`, in the upper half of a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(super) const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;

pub(super) const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NFPROTO_INET`: rules for both address families in one table.
const INET: u8 = 1;
const UNSPECIFIED: u8 = 0;
pub(super) const HEADER: usize = 16;
/// `NFNETLINK_V0` and the like: what follows the header of each message.
pub(super) const FAMILY_HEADER: usize = 4;

/// A transaction being written.
pub struct Batch {
    table: String,
    bytes: Vec<u8>,
    sequence: u32,
    /// Where the last message begins.
    last: usize,
}

/// A set or map and the form of its keys and values.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    pub name: &'static str,
    pub key: Key,
    /// Of a map.
    pub value: Option<Key>,
}

/// A form of data: its length in registers, and the number by which `nft` knows how to print it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub length: u32,
    pub datatype: u32,
    /// Text and numbers of the host, not of the network.
    pub host_order: bool,
}

/// A key of a set, with the value when the set is a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetElement {
    pub set: &'static str,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
pub enum ChainKind {
    Filter,
    Nat,
}

/// Where the kernel calls a chain (`NF_INET_*`), and when among the others there.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    pub kind: ChainKind,
    pub number: u32,
    pub priority: i32,
}

impl Batch {
    pub fn new(table: &str) -> Self {
        let mut batch = Self { table: table.to_owned(), bytes: Vec::with_capacity(4096), sequence: 0, last: 0 };
        batch.frame(BATCH_BEGIN);
        batch
    }

    /// Adds the table when it is not there; the comment is set on a new one only.
    pub fn table(&mut self, comment: &str) {
        self.message(NEW_TABLE, CREATE, |table, body| {
            body.text(1, table).bytes(6, &comment_data(comment));
        });
    }

    pub fn delete_table(&mut self) {
        self.message(DELETE_TABLE, 0, |table, body| {
            body.text(1, table);
        });
    }

    /// Adds a chain when it is not there: one that rules jump to, or one that the kernel calls.
    pub fn chain(&mut self, name: &str, hook: Option<Hook>) {
        self.message(NEW_CHAIN, CREATE, |table, body| {
            body.text(1, table).text(3, name);
            let Some(hook) = hook else { return };
            body.nested(4, |place| {
                place.number(1, hook.number).number(2, hook.priority as u32);
            });
            // Policy: accept.
            body.number(5, 1);
            body.text(
                7,
                match hook.kind {
                    ChainKind::Filter => "filter",
                    ChainKind::Nat => "nat",
                },
            );
        });
    }

    /// Adds a set or map when it is not there.
    pub fn set(&mut self, set: &Set) {
        let id = self.sequence;
        self.message(NEW_SET, CREATE, |table, body| {
            // A map of keys to values, or plain keys.
            body.text(1, table).text(2, set.name).number(3, if set.value.is_some() { 8 } else { 0 });
            body.number(4, set.key.datatype).number(5, set.key.length);
            if let Some(value) = set.value {
                body.number(6, value.datatype).number(7, value.length);
            }
            body.number(10, id);
            if set.key.host_order {
                // For `nft`, which prints nothing sensible else: kind 0 (byte order of keys), length, 1 (the host's).
                body.bytes(13, &[&[0, 4][..], &1u32.to_ne_bytes()].concat());
            }
        });
    }

    /// Removes every rule of the table.
    pub fn delete_rules(&mut self) {
        self.message(DELETE_RULE, 0, |table, body| {
            body.text(1, table);
        });
    }

    /// Appends a rule.
    pub fn rule(&mut self, chain: &str, comment: &str, expressions: impl FnOnce(&mut Expressions<'_, '_>)) {
        self.message(NEW_RULE, CREATE | APPEND, |table, body| {
            body.text(1, table).text(2, chain);
            body.nested(4, |list| expressions(&mut Expressions::new(list)));
            body.bytes(7, &comment_data(comment));
        });
    }

    /// Adds an element; one that is there already is left alone. Answers the number of the message.
    pub fn element(&mut self, element: &SetElement) -> u32 {
        self.message(NEW_ELEMENTS, CREATE, |table, body| write_element(table, body, element))
    }

    /// Adds an element and fails with `EEXIST` when its key is there. Answers the number of the message.
    pub fn new_element(&mut self, element: &SetElement) -> u32 {
        self.message(NEW_ELEMENTS, CREATE | EXCLUSIVE, |table, body| write_element(table, body, element))
    }

    /// Deletes the element of that key; it must be there.
    pub fn delete_element(&mut self, element: &SetElement) {
        self.message(DELETE_ELEMENTS, 0, |table, body| write_element(table, body, element));
    }

    /// The bytes to send. Only the last message asks for an acknowledgement; failures are told anyway.
    pub fn finish(mut self) -> Vec<u8> {
        let flags = self.last + 6..self.last + 8;
        let asked = u16::from_ne_bytes([self.bytes[flags.start], self.bytes[flags.start + 1]]) | ACK;
        self.bytes[flags].copy_from_slice(&asked.to_ne_bytes());
        self.frame(BATCH_END);
        self.bytes
    }

    /// Writes a message about the table and answers its number.
    fn message(&mut self, kind: u16, flags: u16, body: impl FnOnce(&str, &mut Attributes<'_>)) -> u32 {
        let sequence = self.sequence;
        self.last = self.bytes.len();
        write_message(&mut self.bytes, kind, REQUEST | flags, sequence, |attributes| body(&self.table, attributes));
        self.sequence += 1;
        sequence
    }

    fn frame(&mut self, kind: u16) {
        let start = self.bytes.len();
        start_message(&mut self.bytes, kind, REQUEST, self.sequence, UNSPECIFIED, SUBSYSTEM >> 8);
        finish_message(&mut self.bytes, start);
        self.sequence += 1;
    }
}

/// Writes one message about an `inet` table.
pub(super) fn write_message(
    bytes: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    body: impl FnOnce(&mut Attributes<'_>),
) {
    let start = bytes.len();
    start_message(bytes, kind, flags, sequence, INET, 0);
    body(&mut Attributes::new(bytes));
    finish_message(bytes, start);
}

pub(super) fn write_element(table: &str, body: &mut Attributes<'_>, element: &SetElement) {
    body.text(1, table).text(2, element.set);
    body.nested(3, |list| {
        list.nested(1, |item| {
            item.nested(1, |key| {
                key.bytes(1, &element.key);
            });
            if let Some(value) = &element.value {
                item.nested(2, |data| {
                    data.bytes(1, value);
                });
            }
        });
    });
}

fn start_message(bytes: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) {
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
}

fn finish_message(bytes: &mut [u8], start: usize) {
    let length = (bytes.len() - start) as u32;
    bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// A comment as `nft` writes and prints it: kind 0, length, text with its NUL.
fn comment_data(comment: &str) -> Vec<u8> {
    let text = &comment.as_bytes()[..comment.len().min(127)];
    let mut data = vec![0, text.len() as u8 + 1];
    data.extend_from_slice(text);
    data.push(0);
    data
}
