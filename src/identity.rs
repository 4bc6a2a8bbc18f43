//! Who is calling: a bearer token or a client certificate in, an [`Identity`] out.
