//! Carries out a plan, journals each step, undoes a failed run; the operations both doors call.
