/// A complete response. `Date` and `Content-Length` are added on the way out; a request with the
/// method HEAD is answered with the body that GET would get, of which only the length is sent.
public struct HTTPResponse: Sendable {
  /// From 200 to 999; libmicrohttpd knows the reason phrase. A 204 or 304 is sent without body.
  public var status: Int
  /// Sent in this order. A name or value with a line break is left out, and logged.
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]

  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// The first header of this name, in any case.
  public func header(_ name: String) -> String? {
    headers.first { equalsIgnoringASCIICase($0.name, name) }?.value
  }
}
