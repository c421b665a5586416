public import Logging
internal import NTMModel

/// The limits and habits of a service.
public struct ServiceOptions: Sendable {
  public var http = HTTPServer.Options()
  /// Seconds without use after which a session ends.
  public var sessionTimeToLive = 3600.0
  /// The longest that a session may ask to be kept without use, in seconds; nil for ever.
  public var longestKeepAlive: Double? = 24 * 3600
  public var maxSessions = 100_000
  /// Bytes of sessions' states in memory.
  public var maxSessionBytes = defaultSessionBytes
  /// A quarter of the memory that the process may use, and at most 4 GiB. Until a new state is saved,
  /// a second copy of it is in memory.
  public static let defaultSessionBytes = min(4 << 30, SystemLimits.memory / 4)
  /// Seconds that an `Idempotency-Key` is kept.
  public var idempotencyTimeToLive = 24 * 3600.0
  /// Bytes of these keys and of the replies that are kept with them.
  public var maxIdempotencyBytes = 256 << 20
  /// Bytes of the longest reply to one request.
  public var maxReply = 64 << 20
  /// Whether requests may load and unload models.
  public var allowModelAdmin = false
  /// Bytes of the longest body that is a stream of lines.
  public var maxStream = 1 << 30
  public var accessLog = false
  /// The queue of the log, if the log has one. `/metrics` counts the lines that it drops.
  public var logQueue: LogQueue?
  /// Whether a program reads the log: the access log then has its figures as metadata, too.
  public var structuredLog = false
  /// Keys of which each request must bring one; nil where none is needed.
  public var apiKeys: APIKeys?
  /// Whether `/metrics` is for anybody, also where keys are needed.
  public var openMetrics = false
  /// Web sites whose pages may use the service, such as "https://example.org"; "*" is any.
  public var allowedOrigins: [String] = []
  /// Names by which clients may call the server, beside its own.
  public var allowedHosts: [String] = []

  /// Where sessions are kept.
  public var store = StoreLocation.memory
  /// When what changes in them counts as saved.
  public var durability = Durability.everysec

  public init() {}

  /// Whether this can be one of `allowedOrigins`.
  public static func isOrigin(_ text: String) -> Bool { OriginRules.isOrigin(text) }

  /// Whether this can be one of `allowedHosts`.
  public static func isHostName(_ text: String) -> Bool { HostRules.isName(text) }

  /// Names by which clients may call the server; nil for any. A server that only this machine can
  /// reach must be called by one that means this machine: see `HostRules`.
  var hostNames: [String]? {
    guard !allowedHosts.isEmpty || (try? http.isLoopback()) == true else { return nil }
    return HostRules.loopback + [http.host] + allowedHosts
  }
}

/// Where sessions are kept.
public enum StoreLocation: Equatable, Sendable {
  /// They end with the server.
  case memory
  /// In a SQLite database, which is made where there is none.
  case sqlite(path: String)
}

/// Neural Turing Machines over HTTP: a pool of models, and sessions that own a memory each.
public final class Service: Sendable {
  private let server: HTTPServer
  private let pool: ModelPool
  private let logger: Logger
  private let sessions: SessionTable
  private let reaper: Reaper
  private let keys: APIKeys?
  let journal: Journal
  private let replies: IdempotencyStore
  private let temporaryFolder: String

  /// A service whose sessions are where the options say. It has the right to change them until it is
  /// stopped.
  ///
  /// - Throws: `StoreError` where they can't be had: see `SessionStore.acquireLease`.
  public convenience init(
    pool: ModelPool, options: ServiceOptions = ServiceOptions(), logger: Logger
  ) throws(StoreError) {
    do throws(HTTPServerError) { try options.http.checkThreads() } catch {
      throw StoreError(.failing, error.description)
    }
    let store: any SessionStore =
      switch options.store {
      case .memory: MemorySessionStore()
      case .sqlite(let path): try SQLiteSessionStore(path: path)
      }
    try self.init(pool: pool, options: options, logger: logger, store: store)
  }

  init(
    pool: ModelPool, options: ServiceOptions, logger: Logger, store: any SessionStore,
    clock: ServerClock = ServerClock()
  ) throws(StoreError) {
    try store.acquireLease()
    try store.correctTimes(after: clock.start)
    let summary = try store.summary()
    self.pool = pool
    self.logger = logger
    journal = Journal(store, options.durability, logger, clock: clock)
    replies = IdempotencyStore(
      try store.replies(atMost: options.maxIdempotencyBytes),
      limits: KeyTable.Limits(
        timeToLive: options.idempotencyTimeToLive, bytes: options.maxIdempotencyBytes),
      clock: clock)
    sessions = SessionTable(
      limits: SessionTable.Limits(
        timeToLive: options.sessionTimeToLive, sessions: options.maxSessions,
        bytes: options.maxSessionBytes, longestKeepAlive: options.longestKeepAlive),
      journal: journal, summary: summary, modelOf: { pool.model(of: $0) })
    sessions.adopt(pool.models)
    if summary.sessions > 0 {
      let sessions = summary.sessions == 1 ? "session" : "sessions"
      logger.notice("the store has \(summary.sessions) \(sessions)")
    }
    if let warning = store.warning { logger.warning("\(warning)") }
    if store.damagedReplies > 0 {
      logger.error(
        "damaged replies to requests with a key were skipped: \(store.damagedReplies)")
      journal.metrics.foundDamagedReplies(store.damagedReplies)
    }
    var http = options.http
    http.log = { logger.debug("libmicrohttpd: \($0)") }
    server = HTTPServer(
      options: http,
      handler: Application(
        pool: pool, sessions: sessions, options: options, logger: logger, keys: replies))
    reaper = Reaper(sessions, replies)
    keys = options.apiKeys
    temporaryFolder = http.temporaryDirectory
  }

  /// Logs an error if no file can be created where long bodies are stored. The server starts all the
  /// same, since only long streams need such files.
  private func checkTemporaryFolder() {
    do throws(BodyFile.Failure) {
      try BodyFile.check(temporaryFolder)
    } catch {
      logger.error("long streams will be refused: \(error.reason); set TMPDIR to another folder")
    }
  }

  /// Listens, and returns when connections are accepted.
  public func start() throws(HTTPServerError) {
    checkTemporaryFolder()
    sessions.isClosed = false
    try journal.start()
    try server.start()
    try reaper.start()
  }

  /// The port that is listened on; nil if the service is not running.
  public var port: Int? { server.port }

  /// What request bodies use; nil if the service is not running.
  var bodyBudget: BodyBudget? { server.bodyBudget }

  /// Makes what is served what the folder of models has, as far as its files are good, and logs what
  /// changed. Sessions keep the models that they have.
  ///
  /// - Parameter isCancelled: asked before each file; whether to leave the rest as it is
  public func reloadModels(unless isCancelled: () -> Bool = { false }) {
    do throws(ModelPoolError) {
      try pool.reload(unless: isCancelled) { logger.note($0, $1, pool) }
      sessions.adopt(pool.models)
      logger.notice("read the folder of models; serving \(pool.current)")
    } catch {
      logger.error("\(error); serving \(pool.current) on")
    }
  }

  /// Reads the file of keys again, and logs what came of it. Where it is bad, the keys stay as they
  /// were.
  public func reloadKeys() {
    guard let keys else { return }
    do throws(APIKeyError) {
      try keys.reload()
      logger.notice("read the file of keys; \(keys.count) are valid")
    } catch {
      logger.error("\(error); the keys are what they were")
    }
  }

  /// Makes no more sessions, and says by `/readyz` that it is about to stop; all else goes on.
  public func retire() { sessions.isClosed = true }

  /// Takes no more connections or requests, lets those that are running finish, saves what is to be
  /// saved, and ends. `loss` then has what could not be saved.
  ///
  /// - Parameter drainTimeout: for the running requests. If the store does not answer, saving is given
  ///   up after the rest of it, or after `Journal.waitLimit` if that is longer.
  @discardableResult
  public func stop(drainTimeout: Duration) -> HTTPServer.Ending {
    let began = monotonicNanoseconds()
    sessions.isClosed = true
    reaper.stop()
    sessions.stopWatching()
    let ending = server.stop(drainTimeout: drainTimeout)
    let used = monotonicNanoseconds() - began
    let limit = drainTimeout.wholeNanoseconds
    journal.stop(
      Journal.Final(sessions: sessions.all, replies: replies.replies),
      patience: max(limit > used ? limit - used : 0, Journal.waitLimit))
    return ending
  }

  /// Acknowledged changes that could not be saved, by the end or before; nil if there are none.
  public var loss: SaveLoss? { journal.loss.withLock { $0 } }
}
