import Synchronization

/// Sends a session's events to its watchers, and never waits for one.
///
/// Events are numbered from 1 in the order in which they happen, whether or not somebody watches.
/// While somebody watches, and for a while after, a channel for each choice of fields keeps the
/// newest events, and each watcher reads them at its own pace. A watcher that is too slow for the
/// history gets the number of the events that it missed.
///
/// The session is held by `SessionTable.watched` for as long as it has channels, also when its state
/// is in the store only.
final class SessionEvents: Sendable {
  /// Watchers of one session.
  static let watcherLimit = 64
  /// Choices of fields that one session's events are kept for.
  static let channelLimit = 16
  /// Bytes up to which the histories of one session grow.
  static let byteLimit = 4 << 20
  /// How long events are kept for a watcher that may come back, in nanoseconds.
  static let grace: UInt64 = 60_000_000_000

  private let state: Lock<State>
  /// The cost of a step's events, in bytes of an ordinary result; 0 without watchers.
  private let cost = Atomic(0)

  /// - Parameter step: how many steps the session has taken
  init(step: Int = 0) { state = Lock(State(firstStep: step)) }

  // MARK: Publishing

  /// A record of steps that are going to be taken. Steps that are under way when the first watcher
  /// arrives are missing from it.
  func record(_ writer: @autoclosure () -> StepResultWriter) -> StepRecord {
    cost.load(ordering: .acquiring) > 0
      ? StepRecord(state.withLock { $0.channels.map(\.choice.fields) }, writer()) : StepRecord()
  }

  /// What events add to the cost of a step, in bytes of its result.
  var stepCost: Int { cost.load(ordering: .relaxed) }

  /// Publishes steps that have been taken.
  ///
  /// - Parameters:
  ///   - step: how many steps the session has taken now
  ///   - note: notes that too, so that a new watcher gets the step and the number of the newest event
  ///     that belong together
  func publish(_ record: borrowing StepRecord, step: Int, _ note: () -> Void) {
    let after = state.withLock { state -> After? in
      note()
      guard !state.hasEnded else { return nil }
      let before = state.last
      state.last += record.count
      state.step = step
      guard !state.channels.isEmpty else { return nil }
      let (epoch, count) = (state.epoch, record.count)
      return state.append { channel, growth in
        guard let texts = record.texts(with: channel.choice.fields) else {
          // It began while the steps were taken.
          channel.skip(to: before + count)
          return false
        }
        var hasGrown = false
        channel.skip(to: before + texts.first - 1)
        for number in stride(from: texts.first, through: texts.last, by: 1) {
          let id = EventID(epoch: epoch, number: before + number, step: step - count + number)
          let event = ServerSentEvent("step", id: id, data: texts[number])
          if channel.append(event.bytes, &growth) { hasGrown = true }
        }
        return hasGrown
      }
    }
    after?.finish(self)
  }

  /// Publishes an event that is not a step.
  ///
  /// - Parameter note: as for steps
  func publish(_ event: SessionEvent, _ note: () -> Void = {}) {
    let after = state.withLock { state -> After? in
      note()
      guard !state.hasEnded else { return nil }
      state.last += 1
      if let step = event.step { state.step = step }
      guard !state.channels.isEmpty else { return nil }
      let bytes = ServerSentEvent(event.name, id: state.newest, data: event.data).bytes
      return state.append { channel, growth in channel.append(bytes, &growth) }
    }
    after?.finish(self)
  }

  /// Publishes the last event, and finishes the watchers that have got it.
  ///
  /// - Parameter isFinal: whether nobody can watch any more
  func end(_ event: SessionEvent, isFinal: Bool = true) {
    publish(event)
    change { state in
      state.hasEnded = isFinal
      state.endChannels()
    }
  }

  /// Finishes the watchers without another event: their next request gets the reason.
  func disconnect() { change { $0.endChannels() } }

  // MARK: Housekeeping

  /// Sends something to each watcher, which shows that the connection is in use.
  ///
  /// - Returns: the number of watchers
  func sendHeartbeat() -> Int {
    let streams = state.withLock { $0.channels.flatMap(\.watchers).map(\.stream) }
    for stream in streams { _ = stream.offer(ServerSentEvent.heartbeat) }
    return streams.count
  }

  /// Drops the histories without watchers since a time (monotonic nanoseconds).
  func forgetUnwatched(since time: UInt64 = .max) {
    change { state in state.removeChannels { $0.isIdle && $0.idleSince <= time } }
  }

  /// Gives back the memory by which histories have grown.
  func shrink() {
    change { state in
      for index in state.channels.indices { state.freed += state.channels[index].shrink() }
    }
  }

  // MARK: Changes

  /// Changes the channels or their watchers, then does outside the lock what may call back.
  func change<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let (result, after) = try state.withLock { state throws(Failure) in
      let result = try body(&state)
      let after = state.settle()
      cost.store(state.cost, ordering: .releasing)
      return (result, after)
    }
    after.finish(self)
    return result
  }

  /// Resumes watchers when their streams have room. Until then the closures hold this, because what
  /// the watchers have not read may be the end of a session that is gone.
  fileprivate func wait(for blocked: [EventChannel.Blocked]) {
    for watcher in blocked {
      let id = watcher.id
      watcher.stream.whenWritable(watcher.bytes) { self.unblock(id) }
    }
  }

  private func unblock(_ id: Int) {
    change { state in
      for channel in state.channels.indices {
        guard let index = state.channels[channel].watchers.firstIndex(where: { $0.id == id })
        else { continue }
        state.channels[channel].watchers[index].isBlocked = false
        state.blocked += state.channels[channel].send()
      }
    }
  }
}

extension SessionEvents {
  /// Work that is done after the lock is released.
  struct After {
    var blocked: [EventChannel.Blocked] = []
    /// Bytes that were reserved.
    var freed = 0
    var table: SessionTable?
    /// The table held it while it had channels.
    var released: Session?

    func finish(_ events: SessionEvents) {
      events.wait(for: blocked)
      table?.giveEventMemory(freed)
    }
  }
}
