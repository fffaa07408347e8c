//! [`regex_lite`] in the place of `regex`.
//!
//! netavark, libcontainer and oci-spec check names of interfaces, lists of processors and the like with it: short patterns on short
//! ASCII text. The tables and engines that `regex` has for more are a twentieth of the program, and a quarter of what is relocated at
//! each of its starts.

pub use regex_lite::*;
