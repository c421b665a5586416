public import Logging

/// The limits and habits of a service.
public struct ServiceOptions: Sendable {
  public var http = HTTPServer.Options()
  /// Seconds without use after which a session ends.
  public var sessionTimeToLive = 3600.0
  /// The longest that a session may ask to be kept without use, in seconds; nil for ever.
  public var longestKeepAlive: Double? = 24 * 3600
  public var maxSessions = 100_000
  /// Bytes of all sessions' states.
  public var maxSessionBytes = 4 << 30
  /// Bytes of the longest reply to one request.
  public var maxReply = 64 << 20
  /// Whether requests may load and unload models.
  public var allowModelAdmin = false
  /// Bytes of the longest body that is a stream of lines.
  public var maxStream = 1 << 30
  public var accessLog = false

  public init() {}
}

/// Neural Turing Machines over HTTP: a pool of models, and sessions that own a memory each.
public final class Service: Sendable {
  private let server: HTTPServer
  private let pool: ModelPool
  private let logger: Logger
  private let sessions: SessionTable
  private let reaper: Reaper

  public init(pool: ModelPool, options: ServiceOptions = ServiceOptions(), logger: Logger) {
    self.pool = pool
    self.logger = logger
    sessions = SessionTable(
      limits: SessionTable.Limits(
        timeToLive: options.sessionTimeToLive, sessions: options.maxSessions,
        bytes: options.maxSessionBytes, longestKeepAlive: options.longestKeepAlive))
    var http = options.http
    http.log = { logger.debug("libmicrohttpd: \($0)") }
    server = HTTPServer(
      options: http,
      handler: Application(pool: pool, sessions: sessions, options: options, logger: logger))
    reaper = Reaper(sessions)
  }

  /// Listens, and returns when connections are accepted.
  public func start() throws(HTTPServerError) {
    try server.start()
    try reaper.start()
  }

  /// The port that is listened on; nil if the service is not running.
  public var port: Int? { server.port }

  /// Makes what is served what the folder of models has, as far as its files are good, and logs what
  /// changed. Sessions keep the models that they have.
  ///
  /// - Parameter isCancelled: asked before each file; whether to leave the rest as it is
  public func reloadModels(unless isCancelled: () -> Bool = { false }) {
    do throws(ModelPoolError) {
      try pool.reload(unless: isCancelled) { logger.note($0, $1, pool) }
      logger.notice("read the folder of models; serving \(pool.current)")
    } catch {
      logger.error("\(error); serving \(pool.current) on")
    }
  }

  /// Takes no more connections or requests, lets those that are running finish, and ends.
  @discardableResult
  public func stop(drainTimeout: Duration) -> HTTPServer.Ending {
    reaper.stop()
    sessions.stopWatching()
    return server.stop(drainTimeout: drainTimeout)
  }
}
