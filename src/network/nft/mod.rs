//! The nftables part of netlink (`linux/netfilter/nf_tables.h`, `nfnetlink.h`): as much of it as one table of fixed rules with
//! changing sets needs. A transaction takes well below a millisecond, a run of the program `nft` five to twelve.
//!
//! [`attributes`] writes and reads attributes, [`expression`] the parts of a rule, [`batch`] a transaction, [`socket`] talks to
//! the kernel, [`conntrack`] makes it forget connections.

mod attributes;
mod batch;
mod conntrack;
mod expression;
mod socket;

pub(super) use batch::{Batch, ChainKind, Hook, Key, Set, SetElement};
pub(super) use expression::{Expressions, Field, REGISTERS};
pub(super) use socket::{NftError, Socket};
