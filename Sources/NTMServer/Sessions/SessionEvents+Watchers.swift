import Synchronization

extension SessionEvents {
  /// Reserves a place and memory for a watcher.
  ///
  /// - Parameter mayWait: whether to wait for a disk if that makes room
  /// - Throws: `Problem` 503 if there is no room, or there are too many watchers or choices of fields.
  func reserve(
    _ choice: EventChannel.Choice, of session: Session, mayWait: Bool
  ) throws(Problem) -> WatcherPlace {
    while true {
      var unused = try bytesNeeded(choice)
      // Not inside the lock, because sessions that move out take time.
      try session.table?.reserveEventMemory(unused, mayWait: mayWait)
      defer { session.table?.giveEventMemory(unused) }
      let channel = try change { state throws(Problem) -> Int? in
        let bytes = try state.bytesNeeded(choice)
        // The channel was dropped meanwhile.
        guard bytes <= unused else { return nil }
        unused -= bytes
        return state.join(choice, session)
      }
      if let channel { return WatcherPlace(session, choice, channel) }
    }
  }

  /// Bytes that another watcher would reserve.
  func bytesNeeded(_ choice: EventChannel.Choice) throws(Problem) -> Int {
    try change { state throws(Problem) in try state.bytesNeeded(choice) }
  }

  /// Sends a watcher the events from now on, or from where it was.
  ///
  /// - Parameters:
  ///   - known: the id of the last event that the client has got; nil for none
  ///   - greeting: makes the first event of the session's step
  func watch(
    _ stream: HTTPBodyStream, at place: WatcherPlace, after known: EventID?,
    greeting: (Int) -> SessionEvent
  ) {
    let id = change { state -> Int? in
      let start = state.start(after: known)
      let greeting = greeting(state.step)
      // A client that resumes gets the ids from the events that it has not got yet.
      let event = ServerSentEvent(
        greeting.name, id: start.isResumed ? nil : state.newest, data: greeting.data)
      _ = stream.offer(event.bytes)
      if start.missed > 0 { _ = stream.offer(ServerSentEvent.missed(start.missed).bytes) }
      guard let index = state.index(of: place.channel), !state.channels[index].hasEnded else {
        // Ended since the place was reserved.
        stream.finish()
        return nil
      }
      place.take()
      state.nextWatcher += 1
      state.channels[index].pending -= 1
      state.channels[index].wasWatched = true
      state.channels[index].watchers.append(
        EventChannel.Watcher(id: state.nextWatcher, stream: stream, next: start.next))
      state.blocked += state.channels[index].send()
      return state.nextWatcher
    }
    guard let id else { return }
    stream.onClose { [weak self] in self?.remove(id) }
  }

  private func remove(_ id: Int) {
    // The streams go away outside the lock.
    var removed: [EventChannel.Watcher] = []
    let table = change { state -> SessionTable? in
      for channel in state.channels.indices {
        guard let index = state.channels[channel].watchers.firstIndex(where: { $0.id == id })
        else { continue }
        removed.append(state.channels[channel].watchers.remove(at: index))
        state.freed += state.channels[channel].choice.watcherBytes
        state.channels[channel].idleSince = monotonicNanoseconds()
      }
      return state.session?.table
    }
    table?.limitUnwatchedEvents()
  }

  /// Gives back the place of a watcher whose stream has not begun.
  fileprivate func giveUp(_ channel: Int) {
    let table = change { state -> SessionTable? in
      let table = state.session?.table
      state.leave(channel)
      return table
    }
    table?.limitUnwatchedEvents()
  }
}

/// A place that is reserved for a watcher. It is given back if it goes away before its stream begins.
final class WatcherPlace: Sendable {
  private let session: Session
  let choice: EventChannel.Choice
  let channel: Int
  private let isTaken = Atomic(false)

  fileprivate init(_ session: Session, _ choice: EventChannel.Choice, _ channel: Int) {
    self.session = session
    self.choice = choice
    self.channel = channel
  }

  deinit {
    guard !isTaken.load(ordering: .acquiring) else { return }
    session.events.giveUp(channel)
    session.table?.giveEventMemory(choice.watcherBytes)
  }

  fileprivate func take() { isTaken.store(true, ordering: .releasing) }
}

extension SessionEvents.State {
  func index(of channel: Int) -> Int? { channels.firstIndex { $0.id == channel } }

  private func index(of choice: EventChannel.Choice) -> Int? {
    channels.firstIndex { $0.choice.fields == choice.fields && !$0.hasEnded }
  }

  /// Bytes that another watcher would reserve.
  ///
  /// - Throws: `Problem` 503 if there are too many watchers or choices of fields.
  func bytesNeeded(_ choice: EventChannel.Choice) throws(Problem) -> Int {
    guard watcherCount < SessionEvents.watcherLimit else {
      throw Problem(
        .limitReached,
        "\(SessionEvents.watcherLimit) watch this session already; try again later",
        fields: ["limit": .number(SessionEvents.watcherLimit)])
    }
    if index(of: choice) != nil { return choice.watcherBytes }
    guard channels.count(where: { !$0.isIdle }) < SessionEvents.channelLimit else {
      throw Problem(
        .limitReached,
        "this session is watched with \(SessionEvents.channelLimit) choices of \"return\", \"top\" "
          + "and \"encoding\" already; use one of them, or try again later",
        fields: ["limit": .number(SessionEvents.channelLimit)])
    }
    return choice.channelBytes + choice.watcherBytes
  }

  /// Adds a watcher to the channel of its choice, which is made if there is none.
  ///
  /// - Returns: the channel's number
  mutating func join(_ choice: EventChannel.Choice, _ session: Session) -> Int {
    if let index = index(of: choice) {
      channels[index].pending += 1
      return channels[index].id
    }
    if channels.count >= SessionEvents.channelLimit,
      let oldest = channels.filter(\.isIdle).min(by: { $0.idleSince < $1.idleSince })
    {
      removeChannels { $0.id == oldest.id }
    }
    if epoch == 0 { epoch = EventID.makeEpoch() }
    self.session = session
    nextChannel += 1
    channels.append(EventChannel(choice, id: nextChannel, after: last))
    // An ended session has no more watchers.
    channels[channels.count - 1].hasEnded = hasEnded
    channels[channels.count - 1].pending = 1
    return nextChannel
  }

  /// Removes a watcher that has not begun, and its channel if no other has begun either.
  mutating func leave(_ channel: Int) {
    guard let index = index(of: channel) else { return }
    channels[index].pending -= 1
    guard channels[index].isIdle else { return }
    channels[index].idleSince = monotonicNanoseconds()
    if !channels[index].wasWatched { removeChannels { $0.id == channel } }
  }

  /// Where a watcher begins.
  struct Start: Equatable {
    /// The number of its first event.
    let next: Int
    /// Whether it continues after the event that it knows.
    let isResumed: Bool
    /// Events that it has missed beside those before `next` that are counted when it reads.
    var missed = 0
  }

  /// - Parameter known: the last event that the client has got; nil for none
  func start(after known: EventID?) -> Start {
    guard let known else { return Start(next: last + 1, isResumed: false) }
    if known.epoch == epoch, known.number <= last {
      return Start(next: known.number + 1, isResumed: true)
    }
    // Of another epoch, so it has got none of these events, nor the steps before them.
    if known.step <= firstStep {
      return Start(next: 1 - (firstStep - known.step), isResumed: true)
    }
    // The session has gone back since. It was reset, at least.
    return Start(next: last + 1, isResumed: false, missed: last + 1)
  }
}
