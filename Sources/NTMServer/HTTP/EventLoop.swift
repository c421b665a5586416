import Synchronization

/// One event loop: a daemon, the thread that runs it, and what a request needs on its way.
///
/// `@unchecked Sendable`: `daemon` and the variables that can be seen outside belong to the loop's
/// thread from `run` on, and to the thread that starts the server before that. All else is constant
/// or guards itself.
///
/// `@exclusivity(unchecked)` as in `RequestRecord`: for what each request or each round of the loop
/// uses.
final class EventLoop: @unchecked Sendable {
  struct Settings: Sendable {
    let limits: MicroHTTPD.Limits
    /// Seconds that a request may take to arrive; 0 for any time.
    let requestSeconds: Int
    let maxBodyBytes: Int
    let temporaryDirectory: String
    let log: @Sendable (String) -> Void
  }

  let handler: any HTTPHandler
  let settings: Settings
  let workers: WorkerPool
  let connectionLimits: ConnectionLimits
  let budget: BodyBudget
  private let wakeup: Wakeup
  private var daemon: MicroHTTPD.Daemon?

  /// Records for requests to come.
  @exclusivity(unchecked) var spareRecords: [RequestRecord] = []
  /// Requests between their headers and their completion.
  @exclusivity(unchecked) var activeRequests = 0
  /// No new connections, and no new requests on old ones.
  private(set) var isDraining = false
  /// The deadline has passed: nothing is begun any more.
  private(set) var hasGivenUp = false
  /// Every open connection.
  var clients: [ObjectIdentifier: ConnectionRecord] = [:]
  /// The place of a connection between its admission and its beginning.
  var placeTaken: ConnectionLimits.Place?
  /// When to look next for requests that take too long (monotonic nanoseconds).
  @exclusivity(unchecked) var nextSlowLook: UInt64 = 0
  /// For replies that are packed here.
  lazy var compressor = GzipCompressor()
  /// Requests that are answered by a stream, until their completion.
  var streams: [ObjectIdentifier: RequestRecord] = [:]
  /// Counts the library's calls for requests, to notice that it runs without making progress.
  @exclusivity(unchecked) var activity = 0
  /// Runs of the library, one behind the other, without waiting and without progress.
  private var idleRuns = 0
  /// Streams that are still to be checked for a client that has left; some may be over.
  @exclusivity(unchecked) var streamsToCheck: [ObjectIdentifier] = []
  /// When to look next for clients that have left (monotonic nanoseconds).
  @exclusivity(unchecked) var nextLook: UInt64 = 0

  /// The connections of those that wait are suspended.
  @exclusivity(unchecked) var bodyTurns = BodyTurns<RequestRecord>()

  /// Requests whose connection is suspended. It is resumed by whoever takes it out, inside this
  /// lock, so that it is resumed once and never after the daemon has been stopped. A `Monitor`
  /// rather than a `Mutex`, because the thread sanitizer cannot see into the latter.
  private let suspended = Monitor<[ObjectIdentifier: RequestRecord]>([:])

  private static let never = UInt64.max
  /// Nanoseconds past the deadline for sending the answers that are ready.
  private static let lastAnswers: UInt64 = 100_000_000
  private let drainDeadline = Atomic<UInt64>(never)
  private let abandoned = Atomic<Int>(0)

  init(
    handler: any HTTPHandler, settings: Settings, workers: WorkerPool,
    connectionLimits: ConnectionLimits, budget: BodyBudget
  ) throws(HTTPServerError) {
    self.handler = handler
    self.settings = settings
    self.workers = workers
    self.connectionLimits = connectionLimits
    self.budget = budget
    wakeup = try Wakeup()
  }

  func log(_ line: String) {
    settings.log(line)
  }

  /// Begins to listen. Connections wait until the loop runs.
  ///
  /// - Parameter tls: nil for plain HTTP
  func listen(on address: ListenAddress, tls: TLSIdentity?) throws(HTTPServerError) {
    daemon = try MicroHTTPD.Daemon(
      address: address, limits: settings.limits, tls: tls, loop: self, wakeup: wakeup)
  }

  /// Closes what `listen` opened, where `run` is not called.
  func close() {
    daemon?.stop()
    daemon = nil
  }

  /// From any thread: asks the loop to end when the requests that it has are answered, and at
  /// `deadline` (monotonic nanoseconds) in any case but one: while a worker or a completion still
  /// uses a request, its connection cannot go away, and the loop goes on with it.
  func drain(deadline: UInt64) {
    drainDeadline.store(deadline, ordering: .releasing)
    wakeup.signal()
  }

  /// How many requests had no answer at the deadline.
  var abandonedRequests: Int { abandoned.load(ordering: .acquiring) }

  /// Serves until `drain`.
  func run() {
    guard let daemon else { preconditionFailure("run before listen") }
    var end = Self.never
    while true {
      var limit = -1
      let deadline = drainDeadline.load(ordering: .acquiring)
      if deadline != Self.never {
        if !isDraining {
          // What has arrived already is still served.
          daemon.waitAndRun(limit: 0)
          daemon.stopListening()
          isDraining = true
        }
        if activeRequests == 0 { break }
        let now = monotonicNanoseconds()
        if now >= deadline {
          if !hasGivenUp {
            hasGivenUp = true
            abandoned.store(activeRequests, ordering: .releasing)
            closeStreams()
          }
          if suspended.withLock({ $0.isEmpty }) {
            if now >= end { break }
            if end == Self.never { end = now + Self.lastAnswers }
            limit = 10
          }
        } else {
          limit = Int((deadline - now) / 1_000_000) + 1
        }
      }
      let before = activity
      let ranAtOnce = daemon.waitAndRun(limit: limit)
      resumePostponed()
      idleRuns = ranAtOnce && activity == before ? idleRuns + 1 : 0
      if idleRuns >= Self.fewIdleRuns { endStalledBodies(afterRuns: idleRuns) }
      lookForDisconnects()
      lookForSlowRequests()
    }
    close()
  }

  /// Suspends the request's connection, so that another thread may take over.
  func suspend(_ record: RequestRecord) {
    suspended.withLock {
      $0[ObjectIdentifier(record)] = record
      record.connection.suspend()
    }
  }

  /// Gives the request back to its loop with a reply. From any thread, once per `suspend`.
  func finish(_ record: RequestRecord, _ reply: HTTPReply) {
    resume(record) { record.reply = reply }
  }

  /// Gives the request back to its loop. From any thread, once per `suspend`.
  ///
  /// - Parameter prepare: called while the request is still the caller's
  func resume(_ record: RequestRecord, prepare: () -> Void = {}) {
    suspended.withLock {
      let held = $0.removeValue(forKey: ObjectIdentifier(record))
      precondition(held != nil, "a request was resumed twice")
      prepare()
      record.connection.resume()
    }
    wakeup.signal()
  }
}
