//! Messages to the client. The frequent ones are written in place, the others by `pgwire`.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;

use super::types::PgField;

/// Appends a message of type `tag` whose body is what `body` appends.
pub(super) fn message(tag: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(0);
    body(out);
    let length = (out.len() - start) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a message that has no body.
pub(super) fn bare(tag: u8, out: &mut BytesMut) {
    message(tag, out, |_| {});
}

/// Appends a text with its terminating zero. A zero byte inside would end it early, so it is left
/// out.
pub(super) fn put_cstring(text: &str, out: &mut BytesMut) {
    if text.contains('\0') {
        out.put_slice(text.replace('\0', "\u{fffd}").as_bytes());
    } else {
        out.put_slice(text.as_bytes());
    }
    out.put_u8(0);
}

/// Appends a rare message in `pgwire`'s encoding.
pub(super) fn rare(message: &impl Message, out: &mut BytesMut) {
    // `pgwire` refuses only messages that are too long, and the rare ones are a few words.
    let encoded = message.encode(out);
    assert!(encoded.is_ok(), "a message of a few words: {encoded:?}");
}

/// Appends `ParseComplete`.
pub(super) fn parse_complete(out: &mut BytesMut) {
    bare(b'1', out);
}

/// Appends `BindComplete`.
pub(super) fn bind_complete(out: &mut BytesMut) {
    bare(b'2', out);
}

/// Appends `CloseComplete`.
pub(super) fn close_complete(out: &mut BytesMut) {
    bare(b'3', out);
}

/// Appends `NoData`: there are no columns to describe.
pub(super) fn no_data(out: &mut BytesMut) {
    bare(b'n', out);
}

/// Appends `EmptyQueryResponse`.
pub(super) fn empty_query(out: &mut BytesMut) {
    bare(b'I', out);
}

/// Appends `PortalSuspended`: the row limit was reached, and the next Execute goes on.
pub(super) fn portal_suspended(out: &mut BytesMut) {
    bare(b's', out);
}

/// Appends `CommandComplete`, for a statement without rows.
pub(super) fn command_complete(tag: &str, out: &mut BytesMut) {
    message(b'C', out, |out| put_cstring(tag, out));
}

/// Appends `CommandComplete`, for a statement with rows.
pub(super) fn rows_complete(tag: &str, rows: u64, out: &mut BytesMut) {
    let mut digits = [0; 20];
    message(b'C', out, |out| {
        out.put_slice(tag.as_bytes());
        out.put_u8(b' ');
        out.put_slice(super::text::digits(rows, &mut digits));
        out.put_u8(0);
    });
}

/// Appends `ReadyForQuery`.
pub(super) fn ready(status: u8, out: &mut BytesMut) {
    message(b'Z', out, |out| out.put_u8(status));
}

/// Appends `ParameterDescription`: the types of a statement's parameters.
pub(super) fn parameter_description(oids: &[u32], out: &mut BytesMut) {
    message(b't', out, |out| {
        out.put_u16(oids.len() as u16);
        oids.iter().for_each(|oid| out.put_u32(*oid));
    });
}

/// Appends `RowDescription`: the columns of an answer, in `formats` (see [`format_of`]).
pub(super) fn row_description(fields: &[PgField], formats: &[i16], out: &mut BytesMut) {
    message(b'T', out, |out| {
        out.put_u16(fields.len() as u16);
        for (at, field) in fields.iter().enumerate() {
            put_cstring(&field.name, out);
            // No table and no column number: views have none that a client could use.
            out.put_i32(0);
            out.put_i16(0);
            out.put_u32(field.kind.oid);
            out.put_i16(field.kind.size);
            out.put_i32(field.kind.modifier);
            out.put_i16(format_of(formats, at));
        }
    });
}

/// The format of column `at`: with none given it is text, and a single one holds for all columns.
pub(super) fn format_of(formats: &[i16], at: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(at).copied().unwrap_or_default(),
    }
}

/// Appends `ParameterStatus`: a setting that the server reports unasked.
pub(super) fn parameter_status(name: &str, value: &str, out: &mut BytesMut) {
    message(b'S', out, |out| {
        put_cstring(name, out);
        put_cstring(value, out);
    });
}
