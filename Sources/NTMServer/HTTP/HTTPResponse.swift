/// A complete response. `Date` and `Content-Length` are added on the way out; a request with the
/// method HEAD is answered with the body that GET would get, of which only the length is sent.
public struct HTTPResponse: Sendable {
  /// From 200 to 999; libmicrohttpd knows the reason phrase. A 204 or 304 is sent without body.
  public var status: Int
  /// The `Content-Type`. It stands apart from the other headers, as `requestID` does, because nearly
  /// every response has them, and most no others: a list of none costs nothing.
  public var contentType: String?
  /// The `X-Request-Id`.
  public var requestID: String?
  /// All others, sent in this order. A name or value with a line break is left out, and logged.
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]

  public init(
    status: Int, contentType: String? = nil, headers: [(name: String, value: String)] = [],
    body: [UInt8] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
  }

  /// - Parameter allHeaders: as `allHeaders` gives them
  init(status: Int, allHeaders: [(name: String, value: String)], body: [UInt8]) {
    self.init(status: status, body: body)
    for header in allHeaders {
      if header.name == Self.contentTypeName, contentType == nil {
        contentType = header.value
      } else {
        headers.append(header)
      }
    }
  }

  private static let contentTypeName = "Content-Type"

  /// Every header, in the order in which they are sent.
  public var allHeaders: [(name: String, value: String)] {
    var all: [(name: String, value: String)] = []
    if let contentType { all.append((Self.contentTypeName, contentType)) }
    all += headers
    if let requestID { all.append((RequestID.header, requestID)) }
    return all
  }

  /// The first header of this name, in any case.
  public func header(_ name: String) -> String? {
    allHeaders.first { equalsIgnoringASCIICase($0.name, name) }?.value
  }
}
