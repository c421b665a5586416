/// A session's events with one choice of fields, and the watchers that read them.
///
/// The history takes memory as it grows. What is reserved from the start is enough for the newest
/// event.
struct EventChannel {
  /// The fields of each step that a watcher asked for.
  struct Choice: Sendable {
    let fields: StepFields
    /// Bytes of the longest event.
    let largestEvent: Int
    /// The cost of writing a step's event, as a number of bytes of an ordinary result.
    let cost: Int

    /// Several channels are written for one reply, and looked up again when they are published.
    private static let costFactor = 4
    /// An id, a name and line ends.
    private static let frame = 256

    init(_ fields: StepFields, largestResult: Int, cost: Int) {
      self.fields = fields
      largestEvent = largestResult + Self.frame
      self.cost = cost
    }

    init(_ fields: StepFields, of model: ServedModel) {
      // The largest weights are found among all of them.
      var all = fields
      all.top = nil
      let largest = fields.largestResult(of: model)
      self.init(
        fields, largestResult: largest,
        cost: Self.costFactor * max(largest, all.largestResult(of: model)))
    }

    /// Bytes that a channel reserves from the start.
    var channelBytes: Int { max(EventChannel.firstBytes, largestEvent) }

    /// Bytes that a watcher reserves: what its stream may hold beyond `StreamBuffer.bound`.
    var watcherBytes: Int { largestEvent > StreamBuffer.bound ? largestEvent : 0 }
  }

  struct Watcher {
    let id: Int
    let stream: HTTPBodyStream
    /// The number of the event that comes next.
    var next: Int
    /// Its stream is full, and calls back when there is room.
    var isBlocked = false
  }

  /// A watcher whose stream has no room for the next event.
  struct Blocked {
    let id: Int
    let stream: HTTPBodyStream
    let bytes: Int
  }

  static let firstBytes = 16 << 10

  let choice: Choice
  let id: Int
  /// Bytes that are reserved for the history.
  private(set) var reserved: Int
  private(set) var history: EventHistory
  var watchers: [Watcher] = []
  /// Watchers whose stream has not begun.
  var pending = 0
  /// Whether a watcher may come back.
  var wasWatched = false
  /// When the last watcher left (monotonic nanoseconds).
  var idleSince = monotonicNanoseconds()
  /// No more events come; a watcher that has read them all is finished.
  var hasEnded = false

  init(_ choice: Choice, id: Int, after last: Int) {
    self.choice = choice
    self.id = id
    reserved = choice.channelBytes
    history = EventHistory(after: last, byteLimit: reserved)
  }

  var isIdle: Bool { watchers.isEmpty && pending == 0 }

  /// Adds an event to the history, for which this takes more memory where it can.
  ///
  /// - Returns: whether it took some
  mutating func append(_ event: [UInt8], _ growth: inout SessionEvents.Growth) -> Bool {
    let needed = history.bytes + EventHistory.size(of: event)
    let before = reserved
    while needed > reserved, reserved < EventHistory.byteLimit {
      let more = min(reserved, EventHistory.byteLimit - reserved)
      guard growth.take(more) else { break }
      reserved += more
    }
    if reserved > before { history.limit(bytes: reserved) }
    history.append(event)
    return reserved > before
  }

  mutating func skip(to last: Int) { history.skip(to: last) }

  /// Keeps only the initial reservation.
  ///
  /// - Returns: the bytes that are free now
  mutating func shrink() -> Int {
    let freed = reserved - choice.channelBytes
    reserved = choice.channelBytes
    history.limit(bytes: reserved)
    return freed
  }

  // MARK: Sending

  /// Sends each watcher the events that it has not got and has room for.
  mutating func send() -> [Blocked] {
    var blocked: [Blocked] = []
    for index in watchers.indices where !watchers[index].isBlocked {
      if let bytes = send(to: &watchers[index]) {
        watchers[index].isBlocked = true
        blocked.append(
          Blocked(id: watchers[index].id, stream: watchers[index].stream, bytes: bytes))
      }
    }
    return blocked
  }

  /// - Returns: the bytes for which there is no room yet; nil if all is sent
  private func send(to watcher: inout Watcher) -> Int? {
    while watcher.next <= history.last {
      let missed = history.first - watcher.next
      let bytes = missed > 0 ? ServerSentEvent.missed(missed).bytes : history[watcher.next]
      switch watcher.stream.offer(bytes) {
      case .taken: watcher.next += missed > 0 ? missed : 1
      case .full: return bytes.count
      // It is about to be removed.
      case .closed: watcher.next = history.last + 1
      }
    }
    return nil
  }

  /// Finishes the watchers that have got all events of a channel that has ended.
  ///
  /// - Returns: how many
  mutating func finishIfEnded() -> Int {
    guard hasEnded else { return 0 }
    let count = watchers.count
    for watcher in watchers where !watcher.isBlocked { watcher.stream.finish() }
    watchers.removeAll { !$0.isBlocked }
    return count - watchers.count
  }
}
