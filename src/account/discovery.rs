//! What checks tokens needs to know: the documents that an API server offers at `/openid/v1/jwks` and
//! `/.well-known/openid-configuration` (Kubernetes, "Service account issuer discovery").

use super::{ISSUER, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The key set (RFC 7517, section 5) with the public key.
pub fn key_set(key: &SigningKey) -> Value {
    let (x, y) = key.point();
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "keys": [{
        "use": "sig", "kty": "EC", "kid": key.id(), "crv": "P-256", "alg": "ES256", "x": number(x), "y": number(y),
    }] })
}

/// The OpenID configuration (OpenID Connect Discovery 1.0, section 3). Nothing answers at the address of the key set.
pub fn configuration() -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
