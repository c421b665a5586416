#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A certificate with its chain, and its private key.
public struct TLSIdentity: Sendable {
  /// A zero-terminated text at one place.
  ///
  /// `@unchecked Sendable`: it does not change.
  final class Text: @unchecked Sendable {
    private let bytes: UnsafeMutableBufferPointer<CChar>

    init(_ text: [UInt8]) {
      bytes = .allocate(capacity: text.count + 1)
      _ = bytes.initialize(fromContentsOf: text.map { CChar(bitPattern: $0) } + [0])
    }

    deinit { bytes.deallocate() }

    var pointer: UnsafePointer<CChar> { UnsafePointer(bytes.baseAddress!) }
  }

  let certificate: Text
  let key: Text

  /// Reads two PEM files: the certificate, behind which those of its chain follow, and the key,
  /// which has no passphrase.
  ///
  /// - Throws: `badTLSFile`, which says what is wrong with which.
  public init(certificateFile: String, keyFile: String) throws(HTTPServerError) {
    let certificates = try Self.contents(certificateFile, "certificate")
    let key = try Self.contents(keyFile, "key")
    if let reason = GnuTLS.problem(certificates: certificates) {
      throw .badTLSFile(file: certificateFile, reason: "certificate: \(reason)")
    }
    if let reason = GnuTLS.problem(key: key) {
      throw .badTLSFile(file: keyFile, reason: "private key: \(reason)")
    }
    if let reason = GnuTLS.problem(certificates: certificates, key: key) {
      throw .badTLSFile(file: keyFile, reason: "with \(certificateFile): \(reason)")
    }
    certificate = Text(certificates)
    self.key = Text(key)
  }

  /// More than any chain of certificates takes.
  private static let longestFile = 1 << 20

  private static func contents(_ path: String, _ what: String) throws(HTTPServerError) -> [UInt8] {
    func failure(_ code: Int32) -> HTTPServerError {
      .badTLSFile(file: path, reason: "the \(what) can't be read: \(systemMessage(code))")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= longestFile {
      let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      guard count > 0 else { throw failure(errno) }
      bytes += block.prefix(count)
    }
    throw failure(EFBIG)
  }
}
