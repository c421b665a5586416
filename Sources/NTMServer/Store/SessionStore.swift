/// Where sessions are kept beside the server's memory.
///
/// It deals in sessions, in states at a step (bases), in the inputs of the steps after them, and in a
/// lease that says who may change it. A session's state is its base with the steps taken again, so
/// that a step costs its input and not its memory. Nothing in here knows how that is written down:
/// a store that several servers share is another implementation.
///
/// Called from any thread; calls that look may come while a commit is under way.
protocol SessionStore: Sendable {
  /// Whether what it holds is there when the process has ended.
  var outlivesProcess: Bool { get }

  /// Takes the right to change the store, until `close` or the end of the process.
  ///
  /// - Throws: `.inUse` where somebody else has it.
  func acquireLease() throws(StoreError)

  /// Writes changes: all of them, or none. When this returns they outlive the machine's failure.
  /// The creation of a sequence deletes the older sessions of its name.
  ///
  /// - Parameter changes: at most one of each session
  /// - Throws: `.damaged` or `.rejected` if one of the changes can't be written, whatever the others
  ///   are. All other errors are about the store as a whole.
  func commit(_ changes: [StoredChange]) throws(StoreError)

  /// Finds out whether the store can be written.
  func probe() throws(StoreError)

  /// What is damaged says so in the record.
  func record(id: String) throws(StoreError) -> SessionRecord?

  /// The sessions that were made as sequences of this name, the newest first.
  func records(sequence: String) throws(StoreError) -> [SessionRecord]

  /// What a session's state is made of, nil where there is no such session.
  ///
  /// - Throws: `.damaged` where what is there is not what was written once.
  func content(of session: Int) throws(StoreError) -> StoredContent?

  /// Sessions whose number is above `after`, in order, at most `limit`.
  func page(after: Int, limit: Int) throws(StoreError) -> [SessionRecord]

  /// Sessions that nobody has used for their time at `now`. Time before `start`, when no server was
  /// there to be asked, does not count.
  func expired(at now: Timestamp, since start: Timestamp, limit: Int)
    throws(StoreError) -> [SessionRecord]

  func summary() throws(StoreError) -> StoreSummary

  /// Replaces last activities after `now` with `now`. A server whose clock was ahead wrote them, and
  /// such sessions would otherwise outlive their time by as much.
  func correctTimes(after now: Timestamp) throws(StoreError)

  /// Replies to requests that came with a key, the oldest first. The newest have their bodies, of at
  /// most `bytes` bytes.
  func replies(atMost bytes: Int) throws(StoreError) -> [KeyedReply]

  /// Deletes replies whose `age` is below `expired`, and the bodies of those whose `age` is in
  /// `bodies`.
  func trimReplies(before expired: Int64, bodies: Range<Int64>) throws(StoreError)

  /// Marks a session as one that can't be used any more.
  func quarantine(_ session: Int, _ reason: String) throws(StoreError)

  /// Checks that the next start will find this file at its path.
  ///
  /// - Throws: `.replaced` if it is not.
  func checkPlace() throws(StoreError)

  /// Stored replies that were damaged and skipped.
  var damagedReplies: Int { get }

  /// A warning for the operator about the store's location.
  var warning: String? { get }

  /// Gives the lease back.
  func close()
}

extension SessionStore {
  func checkPlace() throws(StoreError) {}
  var damagedReplies: Int { 0 }
  var warning: String? { nil }
}

/// How much a store holds.
struct StoreSummary: Equatable, Sendable {
  var sessions: Int { models.values.reduce(0, +) }
  /// The sessions of each model.
  var models: [ModelUses.Key: Int] = [:]
  /// `SequenceNames.hash` of the names of all sequences.
  var sequences: Set<Int> = []
  /// The largest number of a session that there is or was; 0 for none.
  var lastNumber = 0
}

/// Why a store can't be used.
public struct StoreError: Error, CustomStringConvertible, Sendable {
  enum Kind: Sendable {
    /// Another server has the lease.
    case inUse
    /// A part of what is there is not what was written once.
    case damaged
    /// One change can't be written as it is; the store is well, and takes others.
    case rejected
    /// It was written by a newer version, or is something else altogether.
    case foreign
    /// There is no room, it can't be written, or the disk fails. That may be over later.
    case failing
    /// The file was deleted, moved or replaced: changes are lost when the process ends.
    case replaced
  }

  let kind: Kind
  /// What is wrong, and what would help; for clients, too.
  let reason: String
  /// Of the store.
  var path: String?

  init(_ kind: Kind, _ reason: String, path: String? = nil) {
    self.kind = kind
    self.reason = reason
    self.path = path
  }

  public var description: String { path.map { "\($0): \(reason)" } ?? reason }
}
