internal import CNTMResources
internal import Crypto
internal import NTMModel

/// A file that is part of the program.
struct EmbeddedFile: Sendable {
  /// Its media type.
  let type: String
  let body: [UInt8]
  /// SHA-256, in hexadecimal.
  let digest: String

  /// By their names.
  static let all: [String: EmbeddedFile] = {
    var count = 0
    let files = UnsafeBufferPointer(start: ntm_resources(&count), count: count)
    return Dictionary(
      uniqueKeysWithValues: files.map { file in
        let name = String(cString: file.name)
        return (name, EmbeddedFile(name, Array(String(cString: file.text).utf8)))
      })
  }()

  private init(_ name: String, _ body: [UInt8]) {
    guard let type = name.split(separator: ".").last.flatMap({ Self.types[String($0)] }) else {
      preconditionFailure("no media type is known for \(name)")
    }
    self.type = type
    self.body = body
    digest = SHA256.hash(data: body).hexadecimal
  }

  /// By what a name ends in.
  private static let types = [
    "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8", "json": MediaType.json.rawValue,
    "svg": "image/svg+xml", "yaml": "application/yaml",
  ]

  /// Weak, because the reply may be sent packed.
  private var tag: String { "W/\"\(digest)\"" }

  /// Without the body where the client has it (RFC 9110, section 13.1.2).
  func response(
    to request: HTTPRequest, headers more: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    let headers = [(name: "ETag", value: tag), (name: "Cache-Control", value: "no-cache")] + more
    let known = request.list("if-none-match") ?? ""
    let isKnown = known == "*" || known.contains("\"\(digest)\"")
    return isKnown
      ? HTTPResponse(status: 304, headers: headers)
      : HTTPResponse(status: 200, contentType: type, headers: headers, body: body)
  }
}
