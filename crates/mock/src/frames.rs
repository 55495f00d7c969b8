//! The binary event stream of AWS: docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
//!
//! A message is its total length, the length of its headers and the CRC of these two (4 bytes each), the headers, the
//! payload, and the CRC of everything before. All numbers are big-endian.

use bytes::Bytes;

/// A header value that is a text.
const TEXT: u8 = 7;

/// A message with text headers.
pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let mut message = Vec::new();
    message.extend_from_slice(&number(16 + head.len() + payload.len()));
    message.extend_from_slice(&number(head.len()));
    message.extend_from_slice(&crc(&message).to_be_bytes());
    message.extend_from_slice(&head);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc(&message).to_be_bytes());
    Bytes::from(message)
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let crc =
        bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_crc() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    }

    /// A message of the test vectors of aws-sdk (`awslabs/aws-c-event-stream`): one header, no payload.
    #[test]
    fn one_message_byte_by_byte() {
        let message = frame(&[("content-type", "application/json")], b"{'foo':'bar'}");
        let expected = [0x00, 0x00, 0x00, 0x3d, 0x00, 0x00, 0x00, 0x20, 0x07, 0xfd, 0x83, 0x96, 0x0c];
        assert_eq!(message[..expected.len()], expected);
        assert_eq!(message.len(), 61);
        assert_eq!(message[57..], [0x8d, 0x9c, 0x08, 0xb1]);
    }
}
