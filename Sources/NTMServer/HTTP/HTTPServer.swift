internal import NTMModel
import Synchronization

/// An HTTP/1.1 server: event loops that share a port, a worker pool, and one handler.
public final class HTTPServer: Sendable {
  public struct Options: Sendable {
    /// An IPv4 or IPv6 address, or a name. `::` listens for IPv4 too.
    public var host = "127.0.0.1"
    /// 0 lets the system pick one.
    public var port = 0
    /// Threads that serve connections.
    public var eventLoops: Int
    /// Whether the event loops run with real-time priority, before all other threads of the machine.
    public var isRealTime = false
    /// Threads that run offloaded work. More than processors, because some of it waits for a
    /// session that is in use.
    public var workers: Int
    /// Offloaded work that may wait for a worker; more is refused with 503.
    public var maxQueuedWork = 256
    /// Bytes that each connection gets for its headers and buffers, from 1 kB on. A request's
    /// headers must fit in; the target may have half of it. Much more costs speed (32 kB: 12 %,
    /// 128 kB: 45 %), much less refuses browsers with cookies.
    public var connectionMemoryLimit = 8 << 10
    /// Open connections. The first request of one beyond them is refused with 503.
    public var maxConnections = 8192
    /// Open connections of one IPv4 address or IPv6 network (/64); 0 for no limit but the one of
    /// all. The first request of one beyond them is refused with 429.
    public var maxConnectionsPerAddress = 0
    /// Seconds without a byte after which a connection is closed; 0 for never. A connection whose
    /// work is offloaded is not idle.
    public var idleTimeout = 60
    /// Seconds that a request may take from its first byte to the end of its body, which gets a
    /// second more for every 16 kB; 0 for any time. A longer one is refused with 408, and its
    /// connection closed.
    public var requestTimeout = 60
    /// Certificate and key for HTTPS; nil for plain HTTP.
    public var tls: TLSIdentity?
    /// The longest request body in memory; a longer one is answered with 413. Also the longest line
    /// of a body that is read by lines.
    public var maxBodyBytes = 16 << 20
    /// Most bytes of request bodies in memory at a time, over all connections, with what parsing
    /// makes of them. Beyond it a body is refused with 503.
    public var maxBodyMemory = defaultBodyMemory
    /// A quarter of the memory that the process may use, and at most 256 MiB.
    public static let defaultBodyMemory = min(256 << 20, SystemLimits.memory / 4)
    /// Most bytes of spooled request bodies on disk at a time. Beyond it a body is refused with 503.
    public var maxBodyDisk = 4 << 30
    /// Where long bodies are kept while their requests last, if the handler wants that: `$TMPDIR`,
    /// or `/tmp`.
    public var temporaryDirectory = systemTemporaryDirectory
    /// Receives the HTTP library's complaints, from any thread.
    public var log: @Sendable (String) -> Void = { _ in }

    public init() {
      eventLoops = min(SystemLimits.processors, 1024)
      workers = min(4 * SystemLimits.processors, 1024)
    }
  }

  /// How a server came to its end.
  public enum Ending: Sendable, Equatable {
    /// Every request was answered.
    case drained
    /// The time was up for this many requests. Their connections are closed without an answer,
    /// except where a worker or a completion is still at it: there the answer is sent when it is
    /// there, if the process lives so long.
    case abandoned(requests: Int)
    case notRunning
  }

  private struct Running: Sendable {
    let port: Int
    let loops: [EventLoop]
    let threads: [SystemThread]
    let workers: WorkerPool
    /// How many loops have not ended.
    let alive: Monitor<Int>
    let budget: BodyBudget
  }

  private let options: Options
  private let handler: any HTTPHandler
  private let running = Mutex<Running?>(nil)

  init(options: Options, handler: any HTTPHandler) {
    self.options = options
    self.handler = handler
  }

  deinit {
    stop(drainTimeout: .zero)
  }

  /// The port that is listened on; nil if the server is not running.
  public var port: Int? { running.withLock { $0?.port } }

  /// What request bodies use; nil if the server is not running.
  var bodyBudget: BodyBudget? { running.withLock { $0?.budget } }

  /// Listens, and returns when connections are accepted.
  public func start() throws(HTTPServerError) {
    try running.withLock { running throws(HTTPServerError) in
      guard running == nil else { throw .alreadyRunning }
      running = try launch()
    }
  }

  /// Takes no more connections or requests, lets those that are running finish, and ends.
  ///
  /// Idle connections are closed at once. A request that comes on an open connection meanwhile is
  /// refused with 503. At the end of `drainTimeout`, work that no worker has begun is refused with
  /// 503 too. A stopped server can be started again.
  @discardableResult
  public func stop(drainTimeout: Duration) -> Ending {
    let stopped = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let stopped else { return .notRunning }
    let deadline = monotonicNanoseconds() + drainTimeout.wholeNanoseconds
    for loop in stopped.loops { loop.drain(deadline: deadline) }
    if !Self.haveEnded(stopped, by: deadline) {
      stopped.workers.discardQueue()
      _ = Self.haveEnded(stopped, by: max(deadline, monotonicNanoseconds()) + Self.lastAnswers)
    }
    stopped.workers.stop()
    // A loop that has not ended holds connections that a worker or a completion uses, and ends
    // after it.
    let allEnded = stopped.alive.withLock { $0 == 0 }
    for thread in stopped.threads { allEnded ? thread.join() : thread.detach() }
    let abandoned = stopped.loops.reduce(0) { $0 + $1.abandonedRequests }
    // A loop that is held up has not counted its requests yet; it has at least the one.
    return allEnded && abandoned == 0 ? .drained : .abandoned(requests: max(1, abandoned))
  }

  /// Nanoseconds that the loops get after the deadline to send what is ready and close: more than
  /// they take.
  private static let lastAnswers: UInt64 = 500_000_000

  private static func haveEnded(_ running: Running, by deadline: UInt64) -> Bool {
    running.alive.wait(until: deadline) { $0 == 0 ? true : nil } ?? false
  }

  private func launch() throws(HTTPServerError) -> Running {
    try options.validate()
    let reservation = try PortReservation(host: options.host, port: options.port)
    let settings = EventLoop.Settings(
      limits: MicroHTTPD.Limits(
        connectionMemory: options.connectionMemoryLimit,
        // More than there can be: our own limits are those of all loops, and at the library's a
        // connection waits unanswered.
        connections: options.maxConnections + 2 * ConnectionLimits.refused,
        idleSeconds: options.idleTimeout),
      requestSeconds: options.requestTimeout, maxBodyBytes: options.maxBodyBytes,
      temporaryDirectory: options.temporaryDirectory,
      log: options.log)
    let workers = try WorkerPool(workers: options.workers, queueLimit: options.maxQueuedWork)
    let connectionLimits = ConnectionLimits(
      total: options.maxConnections, perAddress: options.maxConnectionsPerAddress)
    let budget = BodyBudget(memory: options.maxBodyMemory, disk: options.maxBodyDisk)
    let alive = Monitor(0)
    let isRealTime = options.isRealTime
    var loops: [EventLoop] = []
    var threads: [SystemThread] = []
    do throws(HTTPServerError) {
      for _ in 0..<options.eventLoops {
        let loop = try EventLoop(
          handler: handler, settings: settings, workers: workers,
          connectionLimits: connectionLimits, budget: budget)
        try loop.listen(on: reservation.address, tls: options.tls)
        loops.append(loop)
      }
      for loop in loops {
        let thread = try SystemThread {
          // `checkThreads` has found that the process may do this.
          if isRealTime { try? useRealTimePriority() }
          loop.run()
          alive.withLock { $0 -= 1 }
          alive.broadcast()
        }
        alive.withLock { $0 += 1 }
        threads.append(thread)
      }
    } catch {
      for (index, loop) in loops.enumerated() {
        index < threads.count ? loop.drain(deadline: 0) : loop.close()
      }
      for thread in threads { thread.join() }
      workers.stop()
      throw error
    }
    return Running(
      port: reservation.address.port, loops: loops, threads: threads, workers: workers,
      alive: alive, budget: budget)
  }
}

extension HTTPServer.Options {
  /// Whether only this machine can reach a server of these options.
  ///
  /// - Throws: where the host is neither an address nor a name that resolves.
  public func isLoopback() throws(HTTPServerError) -> Bool {
    try ListenAddress(host: host, port: 0).isLoopback
  }

  /// Checks that the server can start its threads, and a few more that libraries need, and may give
  /// them the priority that `isRealTime` asks for.
  ///
  /// - Throws: `cannotStart` if one of this is not so.
  func checkThreads() throws(HTTPServerError) {
    // `validate` refuses other numbers.
    let allowed = 0...1024
    guard allowed.contains(eventLoops), allowed.contains(workers) else { return }
    try SystemThread.check(count: eventLoops + workers + 4)
    guard isRealTime else { return }
    // On a thread of its own, which takes the priority with it.
    let failure = Monitor<HTTPServerError?>(nil)
    let thread = try SystemThread {
      do throws(HTTPServerError) { try useRealTimePriority() } catch {
        failure.withLock { $0 = error }
      }
    }
    thread.join()
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  fileprivate func validate() throws(HTTPServerError) {
    func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(HTTPServerError) {
      guard range.contains(value) else {
        let reason = "\(value) is not from \(range.lowerBound) to \(range.upperBound)"
        throw .invalidOption(name: name, reason: reason)
      }
    }
    try check("port", port, 0...65_535)
    try check("eventLoops", eventLoops, 1...1024)
    try check("workers", workers, 1...1024)
    try check("maxQueuedWork", maxQueuedWork, 1...1_000_000)
    try check("connectionMemoryLimit", connectionMemoryLimit, 1024...(1 << 20))
    try check("maxConnections", maxConnections, 1...1_000_000)
    try check("maxConnectionsPerAddress", maxConnectionsPerAddress, 0...1_000_000)
    try check("idleTimeout", idleTimeout, 0...86_400)
    try check("requestTimeout", requestTimeout, 0...86_400)
    try check("maxBodyBytes", maxBodyBytes, 0...(1 << 40))
    try check("maxBodyMemory", maxBodyMemory, 0...(1 << 50))
    try check("maxBodyDisk", maxBodyDisk, 0...(1 << 50))
  }
}

extension Duration {
  /// At least 0, at most some centuries.
  var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return min(UInt64(seconds), 1 << 32) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}
