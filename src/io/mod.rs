//! stub
pub(crate) fn executable_image() -> Vec<u8> {
    Vec::new()
}
pub(crate) fn read_text(p: &std::path::Path) -> crate::Result<String> {
    std::fs::read_to_string(p).map_err(|e| crate::Error::io(p.display().to_string(), e))
}
