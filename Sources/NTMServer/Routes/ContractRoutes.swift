internal import CNTMContract
internal import Crypto
internal import NTMModel

/// `GET /openapi.yaml` and `GET /openapi.json`: what all routes take and answer.
struct ContractRoutes: Sendable {
  var routes: [Router.Route] {
    [
      Router.Route("GET", "/openapi.yaml") { .respond(Document.yaml.response(to: $0.request)) },
      Router.Route("GET", "/openapi.json") { .respond(Document.json.response(to: $0.request)) },
    ]
  }

  struct Document: Sendable {
    let type: String
    let body: [UInt8]
    /// SHA-256, in hexadecimal.
    let digest: String

    static let yaml = Document("application/yaml", ntm_contract_yaml())
    static let json = Document(MediaType.json.rawValue, ntm_contract_json())

    private init(_ type: String, _ file: ntm_document) {
      self.type = type
      body = Array(UnsafeBufferPointer(start: file.bytes, count: file.size))
      digest = SHA256.hash(data: body).hexadecimal
    }

    /// Weak, because the reply may be sent packed.
    private var tag: String { "W/\"\(digest)\"" }

    /// Without the body where the client has it (RFC 9110, section 13.1.2).
    func response(to request: HTTPRequest) -> HTTPResponse {
      let headers = [(name: "ETag", value: tag), (name: "Cache-Control", value: "no-cache")]
      let known = request.header("if-none-match") ?? ""
      let isKnown = known == "*" || known.contains("\"\(digest)\"")
      return isKnown
        ? HTTPResponse(status: 304, headers: headers)
        : HTTPResponse(status: 200, headers: [("Content-Type", type)] + headers, body: body)
    }
  }
}
