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

  func records(sequence: String) -> [SessionRecord] {
    content.withLock { content in
      content.records.values.filter { $0.sequence == sequence }
        .sorted { $0.number > $1.number }
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
    content.withLock { content in
      var summary = StoreSummary(lastNumber: content.lastNumber)
      for record in content.records.values {
        summary.models[record.modelKey, default: 0] += 1
        if let sequence = record.sequence { summary.sequences.insert(SequenceNames.hash(sequence)) }
      }
      return summary
    }
  }

  func correctTimes(after now: Timestamp) {
    content.withLock { content in
      for (number, record) in content.records where record.lastActivity > now {
        content.records[number]?.lastActivity = now
      }
    }
  }

  func replies(atMost bytes: Int) -> [KeyedReply] {
    content.withLock { content in
      var left = bytes
      return content.replies.reversed().map { $0.within(&left) }.reversed()
    }
  }

  func trimReplies(before expired: Int64, bodies: Range<Int64>) {
    content.withLock { content in
      content.replies.removeAll { $0.order < expired }
      for index in content.replies.indices where bodies.contains(content.replies[index].order) {
        content.replies[index].response = KeyedReply.forgotten
      }
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
      if let sequence = record.sequence {
        for older in records.values where older.sequence == sequence && older.number < session {
          remove(older.number)
        }
      }
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
    if change.isEnded { remove(session) }
  }

  private mutating func remove(_ session: Int) {
    records[session] = nil
    bases[session] = nil
    steps[session] = nil
  }
}

extension KeyedReply {
  /// The reply, without its body if the limit leaves no room for it.
  func within(_ left: inout Int) -> KeyedReply {
    var reply = self
    if response.body.count > left {
      left = 0
      reply.response = Self.forgotten
    } else {
      left -= response.body.count
    }
    return reply
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
