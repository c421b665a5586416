import Synchronization

/// Tells watchers of a session what happens to it, without ever waiting for one.
///
/// Events are numbered from 1 in the order in which they happened, whether or not somebody watches.
/// The newest are kept while somebody does, and for a while after, for each choice of fields that is
/// watched: a watcher reads from there at its own pace. What is no longer there when it comes to it,
/// it has missed, and is told how many those were.
final class SessionEvents: Sendable {
  /// How a session's events go on.
  fileprivate struct State {
    /// The number of the newest event.
    var last = 0
    var channels: [Channel] = []
    var nextWatcher = 0
    /// No more events come.
    var hasEnded = false
  }

  /// The events with one choice of a step's fields.
  fileprivate struct Channel {
    let fields: StepFields
    /// The room that was reserved for it.
    let bytes: Int
    /// As server-sent events.
    var history: EventHistory
    var watchers: [Watcher] = []
    /// Since when nobody watches (monotonic nanoseconds).
    var idleSince = monotonicNanoseconds()
    /// No more events come; whoever has read them all is done.
    var hasEnded = false
  }

  fileprivate struct Watcher {
    let id: Int
    let stream: HTTPBodyStream
    /// The number of the event that comes next.
    var next: Int
    /// It reads more slowly than events come: it is told when it has read on.
    var isBlocked = false
  }

  /// A watcher that has no room for so many bytes.
  fileprivate struct Blocked {
    let id: Int
    let stream: HTTPBodyStream
    let bytes: Int
  }

  /// Watchers of one session.
  static let watcherLimit = 64
  /// How long events are kept for a watcher that may come back, in nanoseconds.
  static let grace: UInt64 = 60_000_000_000

  private let state = Lock(State())
  /// Whether there are channels, for those who step: they may learn of the first a step later.
  private let isWatched = Atomic(false)

  // MARK: What happens

  /// A record of steps that are going to be taken.
  func record(_ writer: @autoclosure () -> StepResultWriter) -> StepRecord {
    isWatched.load(ordering: .acquiring)
      ? StepRecord(state.withLock { $0.channels.map(\.fields) }, writer()) : StepRecord()
  }

  /// Tells of steps that have been taken.
  ///
  /// - Parameter note: notes where the session is now, so that whoever begins to watch learns of that
  ///   and of the newest event's number together
  func publish(_ record: borrowing StepRecord, _ note: () -> Void) {
    let blocked = state.withLock { state -> [Blocked] in
      note()
      guard !state.hasEnded else { return [] }
      let before = state.last
      state.last += record.count
      return state.changeChannels { channel in
        guard let texts = record.texts(with: channel.fields) else {
          // It began while the steps were taken.
          return channel.history.skip(to: before + record.count)
        }
        channel.history.skip(to: before + texts.first - 1)
        for number in stride(from: texts.first, through: texts.last, by: 1) {
          channel.history.append(
            ServerSentEvent("step", id: before + number, data: texts[number]).bytes)
        }
      }
    }
    wait(for: blocked)
  }

  /// Tells of something else than a step.
  ///
  /// - Parameter note: as for steps
  func publish(_ event: SessionEvent, _ note: () -> Void = {}) {
    let blocked = state.withLock { state -> [Blocked] in
      note()
      guard !state.hasEnded else { return [] }
      state.last += 1
      let bytes = ServerSentEvent(event.name, id: state.last, data: event.data).bytes
      return state.changeChannels { $0.history.append(bytes) }
    }
    wait(for: blocked)
  }

  /// Tells of the last event.
  ///
  /// - Parameter isFinal: whether nobody can watch any more
  /// - Returns: bytes that were reserved
  @discardableResult
  func end(_ event: SessionEvent, isFinal: Bool = true) -> Int {
    publish(event)
    let (blocked, bytes) = state.withLock { state in
      state.hasEnded = isFinal
      let bytes = state.channels.reduce(0) { $0 + ($1.hasEnded ? 0 : $1.bytes) }
      return (state.changeChannels { $0.hasEnded = true }, bytes)
    }
    wait(for: blocked)
    return bytes
  }

  // MARK: Watchers

  /// Makes room for a watcher of steps with these fields.
  ///
  /// - Parameter reserve: reserves so many bytes, if there is room for them
  /// - Throws: `Problem` 503 where there is none, or where there are too many watchers.
  func prepare(
    _ fields: StepFields, largestResult: Int, reserve: (Int) -> Bool
  ) throws(Problem) {
    try state.withLock { state throws(Problem) in
      guard state.channels.reduce(0, { $0 + $1.watchers.count }) < Self.watcherLimit else {
        throw Problem(
          .limitReached, "\(Self.watcherLimit) watch this session already; try again later",
          fields: ["limit": .number(Self.watcherLimit)])
      }
      guard !state.channels.contains(where: { $0.fields == fields && !$0.hasEnded }) else { return }
      let bytes = max(EventHistory.byteLimit, largestResult)
      guard reserve(bytes) else {
        throw Problem(.limitReached, "there is no room for the events of another session")
      }
      state.channels.append(
        Channel(fields: fields, bytes: bytes, history: EventHistory(after: state.last)))
      isWatched.store(true, ordering: .releasing)
    }
  }

  /// Sends what happens from now on, after `prepare`.
  ///
  /// - Parameters:
  ///   - last: the number of the last event that the client knows of; nil for none
  ///   - greeting: comes first, and says where the session is
  func watch(
    _ stream: HTTPBodyStream, _ fields: StepFields, after last: Int?,
    greeting: @autoclosure () -> SessionEvent
  ) {
    let (id, blocked) = state.withLock { state -> (Int, [Blocked]) in
      let greeting = greeting()
      state.nextWatcher += 1
      let id = state.nextWatcher
      // One that resumes gets its events' numbers from them.
      let isResuming = last.map { $0 <= state.last } ?? false
      let event = ServerSentEvent(
        greeting.name, id: isResuming ? nil : state.last, data: greeting.data)
      _ = stream.offer(event.bytes)
      guard let index = state.channels.firstIndex(where: { $0.fields == fields && !$0.hasEnded })
      else {
        // Ended since `prepare`.
        stream.finish()
        return (id, [])
      }
      let next = isResuming ? (last ?? state.last) + 1 : state.last + 1
      state.channels[index].watchers.append(Watcher(id: id, stream: stream, next: next))
      return (id, state.channels[index].send())
    }
    wait(for: blocked)
    stream.onClose { [weak self] in self?.remove(id) }
  }

  private func remove(_ id: Int) {
    // The streams go away outside the lock.
    var removed: [Watcher] = []
    let blocked = state.withLock { state in
      state.changeChannels { channel in
        guard let index = channel.watchers.firstIndex(where: { $0.id == id }) else { return }
        removed.append(channel.watchers.remove(at: index))
        channel.idleSince = monotonicNanoseconds()
      }
    }
    wait(for: blocked)
  }

  /// Goes on with watchers when they have read what they have. Until then they hold this, because
  /// what they have not read may be the end of a session that is gone.
  private func wait(for blocked: [Blocked]) {
    for watcher in blocked {
      let id = watcher.id
      watcher.stream.whenWritable(watcher.bytes) { self.goOn(with: id) }
    }
  }

  private func goOn(with id: Int) {
    let blocked = state.withLock { state in
      state.changeChannels { channel in
        guard let index = channel.watchers.firstIndex(where: { $0.id == id }) else { return }
        channel.watchers[index].isBlocked = false
      }
    }
    wait(for: blocked)
  }

  // MARK: Housekeeping

  /// Whether nobody watches, or may come back to watch.
  var isUnwatched: Bool { state.withLock { $0.channels.isEmpty } }

  /// Shows watchers, and what stands between, that the connection is in use.
  func sendHeartbeat() {
    let streams = state.withLock { $0.channels.flatMap(\.watchers).map(\.stream) }
    for stream in streams { _ = stream.offer(ServerSentEvent.heartbeat) }
  }

  /// Forgets the events for which no watcher has come back.
  ///
  /// - Returns: bytes that were reserved
  func forgetUnwatched(now: UInt64 = monotonicNanoseconds()) -> Int {
    state.withLock { state in
      let old = state.channels.filter {
        !$0.hasEnded && $0.watchers.isEmpty && now > $0.idleSince + Self.grace
      }
      state.channels.removeAll { channel in old.contains { $0.fields == channel.fields } }
      isWatched.store(!state.channels.isEmpty, ordering: .releasing)
      return old.reduce(0) { $0 + $1.bytes }
    }
  }
}

extension SessionEvents.State {
  /// Changes the channels, then sends their watchers what they have not got.
  fileprivate mutating func changeChannels(
    _ change: (inout SessionEvents.Channel) -> Void
  ) -> [SessionEvents.Blocked] {
    var blocked: [SessionEvents.Blocked] = []
    for index in channels.indices {
      change(&channels[index])
      blocked += channels[index].send()
    }
    channels.removeAll { $0.hasEnded && $0.watchers.isEmpty }
    return blocked
  }
}

extension SessionEvents.Channel {
  /// Sends the watchers what they have not got and have room for.
  mutating func send() -> [SessionEvents.Blocked] {
    var blocked: [SessionEvents.Blocked] = []
    for index in watchers.indices where !watchers[index].isBlocked {
      if let bytes = send(to: &watchers[index]) {
        watchers[index].isBlocked = true
        blocked.append(
          SessionEvents.Blocked(
            id: watchers[index].id, stream: watchers[index].stream, bytes: bytes))
      }
    }
    if hasEnded {
      for watcher in watchers where !watcher.isBlocked { watcher.stream.finish() }
      watchers.removeAll { !$0.isBlocked }
    }
    return blocked
  }

  /// - Returns: the bytes for which there is no room yet; nil where all is sent.
  private func send(to watcher: inout SessionEvents.Watcher) -> Int? {
    while watcher.next <= history.last {
      let missed = history.first - watcher.next
      let bytes =
        missed > 0
        ? ServerSentEvent("missed", data: Array("{\"missed\":\(missed)}".utf8)).bytes
        : history[watcher.next]
      switch watcher.stream.offer(bytes) {
      case .taken: watcher.next += missed > 0 ? missed : 1
      case .full: return bytes.count
      // It is about to be removed.
      case .closed: watcher.next = history.last + 1
      }
    }
    return nil
  }
}
