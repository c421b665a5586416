import ArgumentParser
import Logging
import NTMModel
import NTMServer

struct Serve: ParsableCommand, EnvironmentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Serve the models of a folder over HTTP.",
    discussion: """
      Every option is also an environment variable: --session-ttl is NTM_SESSION_TTL. What stands \
      on the command line wins. SIGTERM and SIGINT stop the server: running requests finish first, \
      then unsaved steps are saved. Another signal, half a second later or more, ends it at once. \
      The exit status is 1 if acknowledged steps could not be saved. SIGHUP reads the file of keys \
      again and, with --allow-model-admin, the folder of models.
      """)

  @Option(help: "Folder of model files (*.safetensors); a model is named after its file.")
  var models = "Models"

  @Option(help: "Address to listen on. (default: 127.0.0.1)", transform: ListenHost.parse)
  var host = "127.0.0.1"

  @Option(help: "Port to listen on; 0 takes any that is free.")
  var port = 8080

  @Option(help: "File with the certificate and its chain (PEM), for HTTPS.")
  var tlsCertificate: String?

  @Option(help: "File with the certificate's private key (PEM, without a passphrase).")
  var tlsKey: String?

  @Option(help: "Model of a session that names none; without it, the only one there is.")
  var defaultModel: String?

  @Flag(help: "Serve the good models of a folder that also has bad ones.")
  var skipBadModels = false

  @Flag(
    help: "Let requests load and unload models, and SIGHUP read the folder of models again.")
  var allowModelAdmin = false

  @Option(help: "Where sessions are kept: sqlite:FILE, or memory, where they end with the server.")
  var store = StoreOption.standard

  @Option(
    help: """
      When what changes in a session is saved: always before it is acknowledged, everysec within a \
      second, none when the server stops.
      """)
  var durability = Durability.everysec

  @Option(
    help: "Time without use after which a session ends (default: 30d; 1h with --store memory).")
  var sessionTtl: TimeSpan?

  @Option(
    help: """
      Longest time without use that a session may ask for (keep_alive), or never (default: never; \
      24h with --store memory).
      """)
  var maxKeepAlive: KeepAliveLimit?

  @Option(help: "Most sessions at a time (default: 1000000; 100000 with --store memory).")
  var maxSessions: Int?

  @Option(
    help: """
      Most bytes of the sessions' states in memory; beyond, those that have not been used for \
      longest wait in the store (default: a quarter of the memory that the process may use, at most \
      4G).
      """)
  var maxSessionBytes: ByteCount?

  @Option(help: "Time that an Idempotency-Key is kept.")
  var idempotencyTtl = TimeSpan(seconds: 86_400)

  @Option(
    help: """
      Maximum bytes of Idempotency-Keys (256 each) and their replies. Beyond it the oldest replies are \
      forgotten, but no keys: new ones then get 503.
      """)
  var maxIdempotencyBytes = ByteCount(256 << 20)

  @Option(help: "Most bytes of a request's body.")
  var maxBody = ByteCount(8 << 20)

  @Option(
    help: """
      Most bytes of all requests' bodies in memory at a time, parsed ones included (default: a \
      quarter of the memory that the process may use, at most 256M).
      """)
  var maxBodyMemory: ByteCount?

  @Option(help: "Most bytes of all streams of inputs on disk at a time.")
  var maxBodyDisk = ByteCount(4 << 30)

  @Option(help: "Most bytes of the reply to several inputs.")
  var maxReply = ByteCount(64 << 20)

  @Option(help: "Most bytes of a stream of inputs, which is kept on disk.")
  var maxStream = ByteCount(1 << 30)

  @Option(help: "Most open connections.")
  var maxConnections = 8192

  @Option(
    help: "Most open connections of one IPv4 address or IPv6 network (/64); 0 for any number.")
  var maxConnectionsPerAddress = 0

  @Option(help: "Time without a byte after which a connection is closed.")
  var idleTimeout = TimeSpan(seconds: 60)

  @Option(
    help: "Time for a request to arrive; a body gets a second more for every 16 kB that have come.")
  var requestTimeout = TimeSpan(seconds: 60)

  @Option(help: "Threads that serve connections (default: one for each processor that it may use).")
  var eventLoops: Int?

  @Flag(
    help: """
      Give these threads real-time priority, so that long work on other threads does not delay short \
      requests. Needs CAP_SYS_NICE or a limit of real-time priority above 0.
      """)
  var realtime = false

  @Option(
    help: "Threads for work that takes long (default: four for each processor that it may use).")
  var workers: Int?

  @Option(help: "Most pieces of such work that wait for a thread.")
  var maxQueue = 256

  @Option(help: "Time that running requests get to finish when the server stops.")
  var drainTimeout = TimeSpan(seconds: 30)

  @Option(
    help: "Time between the signal to stop and the stop, for load balancers to see /readyz.")
  var drainDelay: TimeSpan?

  @Option(help: "File of API keys, a line \"name: key\" for each; requests need one of them.")
  var apiKeyFile: String?

  @Flag(help: "Listen where others can reach the server without asking them for a key.")
  var noAuth = false

  @Flag(help: "Give /metrics to those without a key, too.")
  var openMetrics = false

  @Option(
    help: """
      Web site whose pages may use the server, such as https://example.org, or * for any; may be \
      there several times.
      """)
  var corsOrigin: [Origin] = []

  @Option(
    help: """
      Name by which clients may call the server, beside --host; may be there several times. Only \
      names that mean this machine are taken where it listens on them alone.
      """)
  var allowedHost: [HostName] = []

  @Flag(help: "Log every request: method, path, status, bytes, microseconds.")
  var accessLog = false

  @Option(help: "Least important log lines to show: trace, debug, info, notice, warning, error.")
  var logLevel = LogLevel(level: .info)

  @Option(help: "Form of the log: text, or json for an object on each line.")
  var logFormat = LogFormat.text

  static let valueOptions = [
    "models", "host", "port", "tls-certificate", "tls-key", "default-model", "store", "durability",
    "session-ttl",
    "max-keep-alive", "max-sessions", "max-session-bytes",
    "idempotency-ttl", "max-idempotency-bytes", "max-body", "max-body-memory",
    "max-body-disk", "max-reply", "max-stream",
    "max-connections", "max-connections-per-address", "idle-timeout", "request-timeout",
    "event-loops", "workers", "max-queue", "drain-timeout", "drain-delay", "api-key-file",
    "cors-origin", "allowed-host", "log-level", "log-format",
  ]
  static let listOptions = ["cors-origin", "allowed-host"]
  static let flags = [
    "skip-bad-models", "allow-model-admin", "no-auth", "open-metrics", "access-log",
    "realtime",
  ]

  func validate() throws {
    try store.check()
    if let maxSessions, maxSessions <= 0 {
      throw ValidationError("--max-sessions is \(maxSessions); a number from 1 on is valid")
    }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key are needed together")
    }
    guard !noAuth || apiKeyFile == nil else {
      throw ValidationError(
        "--no-auth asks for no key, and --api-key-file for one: give one of them")
    }
  }

  func run() throws {
    // Before any thread is started, because threads inherit it.
    let signals = Signals.caught([.interrupt, .terminate, .hangUp], .starting)
    Allocator.returnLargeBlocks()
    let log = try logFormat.bootstrap()
    // The last lines may wait for a reader of the log. A signal does not.
    defer { log.stop(within: .seconds(1)) }
    var logger = Logger(label: "ntm")
    logger.logLevel = logLevel.level

    var options = options
    options.logQueue = log
    if let tlsCertificate, let tlsKey {
      options.http.tls = try TLSIdentity(certificateFile: tlsCertificate, keyFile: tlsKey)
    }
    let pool = try ModelPool.load(
      folder: models, skippingBad: skipBadModels, default: defaultModel,
      largestState: options.maxSessionBytes
    ) {
      logger.error("refused \($0): \($1)")
    }
    let keys = try apiKeyFile.map { try APIKeys(path: $0) }
    try checkAccess(keys, logger)
    options.apiKeys = keys
    try store.prepare()
    let service = try Service(pool: pool, options: options, logger: logger)
    logger.notice("\(Self.describe(options))")
    logger.notice("\(storeDescription)")
    // From here on the server may acknowledge changes, which a signal must not lose.
    signals.enter(.serving)
    try service.start()
    let scheme = options.http.tls == nil ? "http" : "https"
    let address = host.contains(":") ? "[\(host)]" : host
    logger.notice("serving \(pool.current) on \(scheme)://\(address):\(service.port ?? port)")

    var signal = signals.wait()
    while signal == .hangUp {
      reread(service, signals, logger)
      signal = signals.wait()
    }
    logger.notice("stopping: \(signal)")
    if let drainDelay {
      service.retire()
      // Another signal skips the delay.
      signals.enter(.delaying)
      signals.waitForStop(atMost: drainDelay.seconds)
      if signals.isStopPending { logger.notice("skipping the rest of the drain delay") }
    }
    signals.enter(.stopping)
    switch service.stop(drainTimeout: .seconds(drainTimeout.seconds)) {
    case .drained, .notRunning: logger.notice("stopped")
    case .abandoned(let requests):
      logger.warning("stopped; \(requests) requests were not answered within the drain timeout")
    }
    if let loss = service.loss { throw Failure("\(loss)") }
  }

  /// What SIGHUP is for: reads again what may have been changed.
  private func reread(_ service: Service, _ signals: Signals, _ logger: Logger) {
    service.reloadKeys()
    guard allowModelAdmin else {
      if apiKeyFile != nil { return }
      logger.notice(
        """
        SIGHUP changes nothing: the server was started without --allow-model-admin and --api-key-file
        """)
      return
    }
    service.reloadModels(unless: { signals.isStopPending })
  }

  /// The limits derived from the process's memory and processors, unless options set them.
  private static func describe(_ options: ServiceOptions) -> String {
    """
    the process may use \(SystemLimits.memory >> 20) MiB of memory and \(SystemLimits.processors) \
    processors; limits: \(options.maxSessionBytes >> 20) MiB of session states, \
    \(options.http.maxBodyMemory >> 20) MiB of request bodies, \
    \(options.http.eventLoops) event loops, \(options.http.workers) workers
    """
  }

  private var storeDescription: String {
    let when =
      switch durability {
      case .always: "before they are acknowledged"
      case .everysec: "within a second"
      case .none: "when the server stops"
      }
    return switch store.location {
    case .memory: "sessions are kept in memory and end with the server"
    case .sqlite(let path): "sessions are kept in \(path); steps are saved \(when)"
    }
  }

  private var options: ServiceOptions {
    var options = ServiceOptions()
    options.http.host = host
    options.http.port = port
    options.http.maxBodyBytes = maxBody.bytes
    if let maxBodyMemory { options.http.maxBodyMemory = maxBodyMemory.bytes }
    options.http.maxBodyDisk = maxBodyDisk.bytes
    options.http.maxConnections = maxConnections
    options.http.maxConnectionsPerAddress = maxConnectionsPerAddress
    options.http.idleTimeout = Int(idleTimeout.seconds.rounded(.up))
    options.http.requestTimeout = Int(requestTimeout.seconds.rounded(.up))
    options.http.maxQueuedWork = maxQueue
    if let eventLoops { options.http.eventLoops = eventLoops }
    options.http.isRealTime = realtime
    if let workers { options.http.workers = workers }
    options.store = store.location
    options.durability = durability
    if store.isDurable {
      // Sessions that survive a restart are meant to be there next week.
      options.sessionTimeToLive = 30 * 86_400
      options.longestKeepAlive = nil
      options.maxSessions = 1_000_000
    }
    if let sessionTtl { options.sessionTimeToLive = sessionTtl.seconds }
    if let maxKeepAlive { options.longestKeepAlive = maxKeepAlive.seconds }
    options.longestKeepAlive = options.longestKeepAlive.map {
      max($0, options.sessionTimeToLive)
    }
    if let maxSessions { options.maxSessions = maxSessions }
    if let maxSessionBytes { options.maxSessionBytes = maxSessionBytes.bytes }
    options.idempotencyTimeToLive = idempotencyTtl.seconds
    options.maxIdempotencyBytes = maxIdempotencyBytes.bytes
    options.maxReply = maxReply.bytes
    options.allowModelAdmin = allowModelAdmin
    options.maxStream = maxStream.bytes
    options.accessLog = accessLog
    options.structuredLog = logFormat == .json
    options.openMetrics = openMetrics
    options.allowedOrigins = corsOrigin.map(\.text)
    options.allowedHosts = allowedHost.map(\.text)
    return options
  }

  /// Warns of what may be an oversight.
  ///
  /// - Throws: where anybody could use the server and nobody has said so.
  private func checkAccess(_ keys: APIKeys?, _ logger: Logger) throws {
    if let keys, keys.isReadableByOthers {
      logger.warning("others than its owner can read the keys: chmod 600 \(apiKeyFile ?? "")")
    }
    guard keys == nil, try !options.http.isLoopback() else { return }
    guard noAuth else {
      throw Failure(
        "--host \(host) lets others than this machine reach the server: give it keys by "
          + "--api-key-file FILE, or say --no-auth if anybody may use it")
    }
    logger.warning("anybody who reaches \(host) may use the server, because of --no-auth")
  }
}
