import Testing

@testable import NTMServer

/// Sends exactly the headers that a test gives it, each request on a connection of its own.
struct RawClient: TestClient {
  let port: Int

  func send(
    _ method: String, _ target: String, headers: [(String, String)], body: [UInt8]
  ) async throws -> Response {
    try SocketClient(port: port).exchange(method, target, headers: headers, body: body)
  }
}

/// As `withService`; over a socket, what Foundation's client would say otherwise is said as it is.
func withRawService(
  _ transport: Transport, _ pool: ModelPool = .copy, _ options: ServiceOptions = .testing(),
  _ body: (any TestClient) async throws -> Void
) async throws {
  switch transport {
  case .router: try await withService(.router, pool, options, body)
  case .socket: try await withLiveService(pool, options) { try await body(RawClient(port: $0)) }
  case .stored:
    let store = MemorySessionStore(outlivesProcess: true)
    try await withLiveService(pool, options, store) { try await body(RawClient(port: $0)) }
  }
}
