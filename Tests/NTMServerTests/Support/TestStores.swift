import Foundation

@testable import NTMServer

/// A folder for a store, which goes away with its last user.
final class StoreFolder: Sendable {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "ntm-store-\(UUID().uuidString)").path
  var file: String { "\(path)/sessions.sqlite" }

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A store whose writing or reading fails while a test says so.
final class FailingStore: SessionStore {
  private let store: MemorySessionStore
  private let failures = Lock(Failures())

  private struct Failures {
    var writing: StoreError?
    var reading: StoreError?
    /// Only of commits that have a change of this session.
    var session: Int?
  }

  init(_ store: MemorySessionStore = MemorySessionStore(outlivesProcess: true)) {
    self.store = store
  }

  func fail(writing: StoreError? = nil, reading: StoreError? = nil, session: Int? = nil) {
    failures.withLock {
      $0 = Failures(writing: writing, reading: reading, session: session)
    }
  }

  private func checkWriting(_ sessions: [Int] = []) throws(StoreError) {
    let failures = failures.withLock { $0 }
    if let only = failures.session, !sessions.contains(only) { return }
    if let error = failures.writing { throw error }
  }

  private func checkReading() throws(StoreError) {
    if let error = failures.withLock({ $0.reading }) { throw error }
  }

  var outlivesProcess: Bool { true }
  func acquireLease() throws(StoreError) { try store.acquireLease() }
  func close() { store.close() }

  func commit(_ changes: [StoredChange]) throws(StoreError) {
    try checkWriting(changes.map(\.session))
    store.commit(changes)
  }

  func probe() throws(StoreError) { try checkWriting() }

  func quarantine(_ session: Int, _ reason: String) throws(StoreError) {
    try checkWriting()
    store.quarantine(session, reason)
  }

  func record(id: String) throws(StoreError) -> SessionRecord? {
    try checkReading()
    return store.record(id: id)
  }

  func records(sequence: String) throws(StoreError) -> [SessionRecord] {
    try checkReading()
    return store.records(sequence: sequence)
  }

  func content(of session: Int) throws(StoreError) -> StoredContent? {
    try checkReading()
    return store.content(of: session)
  }

  func page(after: Int, limit: Int) throws(StoreError) -> [SessionRecord] {
    try checkReading()
    return store.page(after: after, limit: limit)
  }

  func expired(
    at now: Timestamp, since start: Timestamp, limit: Int
  ) throws(StoreError) -> [SessionRecord] {
    store.expired(at: now, since: start, limit: limit)
  }

  func summary() throws(StoreError) -> StoreSummary { store.summary() }
  func correctTimes(after now: Timestamp) { store.correctTimes(after: now) }
  func trimReplies(before expired: Int64, bodies: Range<Int64>) throws(StoreError) {
    try checkWriting()
    store.trimReplies(before: expired, bodies: bodies)
  }

  func replies(atMost bytes: Int) throws(StoreError) -> [KeyedReply] {
    store.replies(atMost: bytes)
  }
}
