/// Keeps sessions in memory: for servers whose sessions end with them.
final class MemorySessionStore: SessionStore {
  let outlivesProcess: Bool
  private let content = Lock(Content())

  fileprivate struct Content {
    var records: [Int: SessionRecord] = [:]
    var bases: [Int: StoredBase] = [:]
    var steps: [Int: [StoredSteps]] = [:]
    var replies: [KeyedReply] = []
    var lastNumber = 0
    var isLeased = false
  }

  /// - Parameter outlivesProcess: whether to be treated like one that does; whoever makes a server
  ///   after another one with the same store finds the sessions there
  init(outlivesProcess: Bool = false) { self.outlivesProcess = outlivesProcess }

  func acquireLease() throws(StoreError) {
    try content.withLock { content throws(StoreError) in
      guard !content.isLeased else { throw StoreError(.inUse, "another server uses the sessions") }
      content.isLeased = true
    }
  }

  func close() { content.withLock { $0.isLeased = false } }

  func probe() {}

  func commit(_ changes: [StoredChange]) {
    content.withLock { content in
      for change in changes { content.apply(change) }
    }
  }

  func record(id: String) -> SessionRecord? {
    content.withLock { $0.records.values.first { $0.id == id } }
  }

  func record(sequence: String) -> SessionRecord? {
    content.withLock { content in
      content.records.values.filter { $0.sequence == sequence }.max { $0.number < $1.number }
    }
  }

  func content(of session: Int) -> StoredContent? {
    content.withLock { content in
      content.bases[session].map {
        StoredContent(base: $0, steps: content.steps[session] ?? [])
      }
    }
  }

  func page(after: Int, limit: Int) -> [SessionRecord] {
    let later = content.withLock { $0.records.values.filter { $0.number > after } }
    return Array(later.sorted { $0.number < $1.number }.prefix(limit))
  }

  func expired(at now: Timestamp, since start: Timestamp, limit: Int) -> [SessionRecord] {
    let expired = content.withLock { content in
      content.records.values.filter { record in
        record.expiresAt(since: start).map { $0 < now } ?? false
      }
    }
    return Array(expired.prefix(limit))
  }

  func summary() -> StoreSummary {
    content.withLock {
      StoreSummary(sessions: $0.records.count, lastNumber: $0.lastNumber)
    }
  }

  func replies(atMost bytes: Int) -> [KeyedReply] {
    content.withLock { content in
      var left = bytes
      let newest = content.replies.reversed().prefix {
        left -= $0.response.body.count
        return left >= 0
      }
      return newest.reversed()
    }
  }

  func quarantine(_ session: Int, _ reason: String) {
    content.withLock { $0.records[session]?.damage = reason }
  }
}

extension MemorySessionStore.Content {
  fileprivate mutating func apply(_ change: StoredChange) {
    let session = change.session
    if let record = change.created {
      records[session] = record
      lastNumber = max(lastNumber, record.number)
    }
    if let base = change.base {
      bases[session] = base
      steps[session] = nil
      records[session]?.step = base.step
      records[session]?.recomputedFrom = base.recomputedFrom
    }
    if let new = change.steps {
      steps[session, default: []].append(new)
      records[session]?.step = new.last
    }
    records[session]?.lastActivity = change.lastActivity
    for reply in change.replies {
      replies.removeAll {
        $0.key == reply.key && ($0.part == reply.part || reply.part == nil)
      }
      replies.append(reply)
    }
    if change.isEnded {
      records[session] = nil
      bases[session] = nil
      steps[session] = nil
    }
  }
}

extension SessionRecord {
  /// When it ends if nobody uses it; nil for never. Time before `start`, when no server was there,
  /// does not count. A damaged session never expires.
  func expiresAt(since start: Timestamp) -> Timestamp? {
    guard damage == nil else { return nil }
    return keepAlive.map { max(lastActivity, start).advanced(by: $0) }
  }
}
