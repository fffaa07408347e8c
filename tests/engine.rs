//! The binary's promises about state: what a command leaves behind when it fails, is killed, or is one of many.

mod common;

use common::TestEnv;

#[test]
fn a_fresh_environment_has_nothing_behind_it() {
    let env = TestEnv::new("fresh");
    env.assert_clean();
    assert!(env.state_files().is_empty());
}
