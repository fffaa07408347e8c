//! Images: references, archives in and out, the image store.
