@testable import NTMServer

/// A store whose commits block while a test says so, and then succeed or fail.
final class BlockingStore: SessionStore {
  private let store: MemorySessionStore
  private let state = Monitor(State())

  private struct State {
    var isBlocked = false
    var failure: StoreError?
    /// Sessions whose changes are rejected.
    var rejected: Set<Int> = []
    var rejection = StoreError(.rejected, "as a test")
    /// Commits that have begun.
    var commits: [[Int]] = []
    var isInCall = false
  }

  init(_ store: MemorySessionStore = MemorySessionStore(outlivesProcess: true)) {
    self.store = store
  }

  /// The sessions of each commit up to now.
  var commits: [[Int]] { state.withLock { $0.commits } }

  func block() { state.withLock { $0.isBlocked = true } }

  /// Lets commits end, with this error if there is one.
  func release(failing error: StoreError? = nil) {
    state.withLock { state in
      state.isBlocked = false
      state.failure = error
    }
    state.broadcast()
  }

  func reject(_ sessions: Set<Int>, by kind: StoreError.Kind = .rejected) {
    state.withLock { state in
      state.rejected = sessions
      state.rejection = StoreError(kind, "as a test")
    }
  }

  /// Waits until a commit blocks.
  func waitForCall() { state.wait { $0.isInCall ? () : nil } }

  func commit(_ changes: [StoredChange]) throws(StoreError) {
    let sessions = changes.map(\.session)
    state.withLock { state in
      state.commits.append(sessions)
      state.isInCall = true
    }
    state.broadcast()
    try check()
    let rejection = state.withLock { state in
      sessions.contains { state.rejected.contains($0) } ? state.rejection : nil
    }
    if let rejection { throw rejection }
    store.commit(changes)
  }

  private func check() throws(StoreError) {
    let error = state.wait { state -> StoreError?? in
      guard !state.isBlocked else { return nil }
      state.isInCall = false
      return .some(state.failure)
    }
    if let error { throw error }
  }

  func probe() throws(StoreError) { try check() }

  func quarantine(_ session: Int, _ reason: String) throws(StoreError) {
    try check()
    store.quarantine(session, reason)
  }

  var outlivesProcess: Bool { true }
  func acquireLease() throws(StoreError) { try store.acquireLease() }
  func close() { store.close() }
  func record(id: String) -> SessionRecord? { store.record(id: id) }
  func records(sequence: String) -> [SessionRecord] { store.records(sequence: sequence) }
  func correctTimes(after now: Timestamp) { store.correctTimes(after: now) }
  func trimReplies(before expired: Int64, bodies: Range<Int64>) {
    store.trimReplies(before: expired, bodies: bodies)
  }
  func content(of session: Int) -> StoredContent? { store.content(of: session) }
  func page(after: Int, limit: Int) -> [SessionRecord] { store.page(after: after, limit: limit) }
  func expired(at now: Timestamp, since start: Timestamp, limit: Int) -> [SessionRecord] {
    store.expired(at: now, since: start, limit: limit)
  }
  func summary() -> StoreSummary { store.summary() }
  func replies(atMost bytes: Int) -> [KeyedReply] { store.replies(atMost: bytes) }
}
