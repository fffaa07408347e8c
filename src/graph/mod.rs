//! Desired and observed state to a plan: a directed acyclic graph of steps, each with its cause.
