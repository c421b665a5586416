import Logging
import Testing

@testable import NTMServer

/// How a test's requests get to the routes.
enum Transport: String, CaseIterable, CustomTestStringConvertible {
  case router = "through the router"
  case socket = "over a socket"
  case stored = "over a socket, answered when it is saved"

  var testDescription: String { rawValue }
}

/// A service for the time of `body`.
func withService(
  _ transport: Transport, _ pool: ModelPool = .copy, _ options: ServiceOptions = .testing(),
  _ body: (any TestClient) async throws -> Void
) async throws {
  switch transport {
  case .router:
    let sessions = SessionTable(limits: SessionTable.Limits(options))
    try await body(
      InProcessClient(
        application: Application(
          pool: pool, sessions: sessions, options: options, logger: .silent)))
  case .socket:
    try await withLiveService(pool, options) { try await body(LiveClient(port: $0)) }
  case .stored:
    let store = MemorySessionStore(outlivesProcess: true)
    try await withLiveService(pool, options, store) { try await body(LiveClient(port: $0)) }
  }
}

/// A service on a port of its own, which has answered everything when it is stopped.
func withLiveService(
  _ pool: ModelPool = .copy, _ options: ServiceOptions = .testing(),
  _ store: any SessionStore = MemorySessionStore(), _ body: (_ port: Int) async throws -> Void
) async throws {
  await Places.services.take()
  defer { Task { await Places.services.giveBack() } }
  let service = try Service(pool: pool, options: options, logger: .silent, store: store)
  try service.start()
  do {
    try await body(try #require(service.port))
  } catch {
    service.stop(drainTimeout: .zero)
    throw error
  }
  #expect(service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds)) == .drained)
}

/// So many may be there at a time. All tests at once would have thousands of descriptors open, which
/// Foundation counts whenever it starts a process, and now and then crashes over.
actor Places {
  static let services = Places(64)

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  private init(_ count: Int) { free = count }

  func take() async {
    guard free == 0 else {
      free -= 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func giveBack() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

extension ServiceOptions {
  /// Two loops and two workers on any machine.
  static func testing(_ configure: (inout Self) -> Void = { _ in }) -> Self {
    var options = Self()
    options.durability = .always
    options.http.eventLoops = 2
    options.http.workers = 2
    configure(&options)
    return options
  }
}

extension SessionTable.Limits {
  init(_ options: ServiceOptions) {
    self.init(
      timeToLive: options.sessionTimeToLive, sessions: options.maxSessions,
      bytes: options.maxSessionBytes, longestKeepAlive: options.longestKeepAlive)
  }
}

extension Logger {
  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
