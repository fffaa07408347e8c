//! The parts of a rule: each loads, compares, looks up or decides, in order; one that does not match ends the rule.

use super::attributes::Attributes;

const LIST_ELEM: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;

/// A register: four bytes each, sixteen in a row (`NFT_REG32_00` and on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u32);

/// The first register.
pub const REGISTERS: Register = Register(8);

impl Register {
    /// The one `bytes` further on; parts of four bytes.
    pub fn after(self, bytes: u32) -> Self {
        Self(self.0 + bytes.div_ceil(4))
    }
}

/// What of a packet is loaded into registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, one byte.
    Family,
    /// One byte.
    Protocol,
    /// 16 bytes.
    InputInterface,
    /// 16 bytes.
    OutputInterface,
    /// From the network header: offset and length.
    NetworkHeader(u32, u32),
    /// The destination port, two bytes.
    DestinationPort,
    /// Kind of the destination address (`RTN_LOCAL`...), four bytes in host order.
    DestinationKind,
    /// Bits of the connection's state, four bytes in host order.
    ConnectionState,
    /// Bits of what happened to the connection (`IPS_DST_NAT`...), four bytes in host order.
    ConnectionStatus,
}

/// Collects the expressions of one rule.
pub struct Expressions<'a, 'b> {
    list: &'a mut Attributes<'b>,
}

impl<'a, 'b> Expressions<'a, 'b> {
    pub fn new(list: &'a mut Attributes<'b>) -> Self {
        Self { list }
    }

    pub fn load(&mut self, field: Field, to: Register) -> &mut Self {
        match field {
            Field::Family => self.meta(15, to),
            Field::Protocol => self.meta(16, to),
            Field::InputInterface => self.meta(6, to),
            Field::OutputInterface => self.meta(7, to),
            Field::NetworkHeader(offset, length) => self.payload(1, offset, length, to),
            Field::DestinationPort => self.payload(2, 2, 2, to),
            Field::DestinationKind => self.add("fib", |data| {
                data.number(1, to.0).number(2, 3).number(3, 2);
            }),
            Field::ConnectionState => self.connection(0, to),
            Field::ConnectionStatus => self.connection(2, to),
        }
    }

    pub fn equal(&mut self, register: Register, value: &[u8]) -> &mut Self {
        self.compare(register, 0, value)
    }

    pub fn not_equal(&mut self, register: Register, value: &[u8]) -> &mut Self {
        self.compare(register, 1, value)
    }

    /// `register & mask`, in place.
    pub fn mask(&mut self, register: Register, mask: &[u8]) -> &mut Self {
        self.add("bitwise", |data| {
            data.number(1, register.0).number(2, register.0).number(3, mask.len() as u32);
            data.nested(4, |value| {
                value.bytes(DATA_VALUE, mask);
            });
            data.nested(5, |value| {
                value.bytes(DATA_VALUE, &vec![0; mask.len()]);
            });
        })
    }

    /// Matches when the set has the key that begins at `register`.
    pub fn is_in(&mut self, set: &str, register: Register) -> &mut Self {
        self.add("lookup", |data| {
            data.text(1, set).number(2, register.0);
        })
    }

    pub fn is_not_in(&mut self, set: &str, register: Register) -> &mut Self {
        self.add("lookup", |data| {
            data.text(1, set).number(2, register.0).number(5, 1);
        })
    }

    /// Replaces the key that begins at `register` by what the map has for it; matches when there is something.
    pub fn map(&mut self, map: &str, register: Register) -> &mut Self {
        self.add("lookup", |data| {
            data.text(1, map).number(2, register.0).number(3, register.0);
        })
    }

    /// Redirects to the address and port in these registers.
    pub fn dnat(&mut self, family: u32, address: Register, port: Register) -> &mut Self {
        self.add("nat", |data| {
            data.number(1, 1).number(2, family).number(3, address.0).number(5, port.0);
        })
    }

    pub fn masquerade(&mut self) -> &mut Self {
        self.add("masq", |_| {})
    }

    pub fn accept(&mut self) -> &mut Self {
        self.verdict(ACCEPT, None)
    }

    /// Named after what it does to the packet; `drop` would be taken for the method of [`Drop`].
    pub fn discard(&mut self) -> &mut Self {
        self.verdict(DROP, None)
    }

    pub fn jump(&mut self, chain: &str) -> &mut Self {
        self.verdict(JUMP, Some(chain))
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) -> &mut Self {
        self.add("immediate", |data| {
            data.number(1, VERDICT_REGISTER);
            data.nested(2, |data| {
                data.nested(DATA_VERDICT, |verdict| {
                    verdict.number(VERDICT_CODE, code as u32);
                    if let Some(chain) = chain {
                        verdict.text(VERDICT_CHAIN, chain);
                    }
                });
            });
        })
    }

    fn meta(&mut self, key: u32, to: Register) -> &mut Self {
        self.add("meta", |data| {
            data.number(1, to.0).number(2, key);
        })
    }

    fn connection(&mut self, key: u32, to: Register) -> &mut Self {
        self.add("ct", |data| {
            data.number(1, to.0).number(2, key);
        })
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32, to: Register) -> &mut Self {
        self.add("payload", |data| {
            data.number(1, to.0).number(2, base).number(3, offset).number(4, length);
        })
    }

    fn compare(&mut self, register: Register, operator: u32, value: &[u8]) -> &mut Self {
        self.add("cmp", |data| {
            data.number(1, register.0).number(2, operator);
            data.nested(3, |data| {
                data.bytes(DATA_VALUE, value);
            });
        })
    }

    fn add(&mut self, name: &str, data: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        self.list.nested(LIST_ELEM, |expression| {
            expression.text(EXPR_NAME, name);
            expression.nested(EXPR_DATA, data);
        });
        self
    }
}
