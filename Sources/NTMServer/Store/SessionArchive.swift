import Logging
import NTMModel

/// The sessions of a store without a server: to list them, to take states out and to put states in.
public final class SessionArchive {
  public enum Access: Sendable {
    /// Beside a running server, which may have steps that are not saved yet.
    case look
    /// Instead of a running server.
    case change
  }

  /// A session as it is listed.
  public struct Entry: Sendable {
    fileprivate let record: SessionRecord

    public var id: String { record.id }
    public var model: String { record.modelName }
    /// Steps taken.
    public var step: Int { record.step }
    /// RFC 3339.
    public var lastActivity: String { record.lastActivity.text }
    /// Why it can't be used; nil where it can.
    public var damage: String? { record.damage }

    /// The object that `GET /sessions/{id}` gives, on one line.
    public var json: String { Self.json(of: record) }

    static func json(of record: SessionRecord) -> String {
      let start = Timestamp(milliseconds: 0)
      let resource = SessionResource(record, since: start, stateBytes: nil)
      return String(decoding: HTTPResponse.json(resource).body, as: UTF8.self)
    }
  }

  /// A state that may become a session.
  public struct Candidate: Sendable {
    fileprivate let id: String
    fileprivate let model: ServedModel
    fileprivate let file: StateFile
    fileprivate let bytes: [UInt8]
    fileprivate let keepAlive: Double?
  }

  private let store: SQLiteSessionStore

  /// - Throws: where there is no such file, it is no store of sessions, or a server has it and it is
  ///   to be changed.
  public init(path: String, access: Access) throws(StoreError) {
    store = try SQLiteSessionStore(path: path, isReadOnly: access == .look)
    if access == .change { try store.acquireLease() }
  }

  public func close() { store.close() }

  // MARK: Out

  /// Shows all sessions, in the order in which they were made.
  public func show(_ show: (Entry) throws -> Void) throws {
    // The number of a damaged session may be below 0.
    var last = Int.min
    while true {
      let page = try store.page(after: last, limit: 1000)
      for record in page { try show(Entry(record: record)) }
      guard let end = page.last else { return }
      last = end.number
    }
  }

  /// The state of a session as a `StateFile`.
  ///
  /// - Parameter pool: has the session's model
  /// - Throws: an error that says why there is none.
  public func state(of id: String, _ pool: ModelPool) throws -> [UInt8] {
    let table = SessionTable(
      limits: SessionTable.Limits(timeToLive: 1, sessions: .max, bytes: .max),
      journal: Journal(store, .none, Logger(label: "ntm") { _ in SwiftLogNoOpLogHandler() }),
      modelOf: { pool.model(of: $0) })
    do throws(Problem) {
      let session = try table.find(id)
      return try session.withContent(.look) { content in
        StateFile.bytes(
          of: content.state, step: content.step, modelName: session.model.name,
          modelDigest: session.model.digest)
      }
    } catch {
      throw ArchiveError(description: error.detail)
    }
  }

  // MARK: In

  /// Checks a state.
  ///
  /// - Parameters:
  ///   - bytes: a `StateFile`
  ///   - name: what the session is called, if that is a name of sessions
  ///   - keepAlive: seconds without use after which it ends; nil for never
  ///   - pool: has the state's model
  /// - Throws: an error that says what is wrong with it, or that there is a session of this name.
  public func check(
    _ bytes: [UInt8], name: String, keepAlive: Double?, _ pool: ModelPool
  ) throws -> Candidate {
    let id = SessionID.isOne(name) ? name : SessionID.make()
    guard try store.record(id: id) == nil else {
      throw ArchiveError(description: "there is a session \(id) already")
    }
    do throws(Problem) {
      let file = try StateFile(checking: bytes)
      let model = try pool.model(of: file)
      _ = try file.start(of: model)
      return Candidate(id: id, model: model, file: file, bytes: bytes, keepAlive: keepAlive)
    } catch {
      throw ArchiveError(description: error.detail)
    }
  }

  /// Makes sessions: all of them, or none.
  ///
  /// - Returns: their names
  public func add(_ candidates: [Candidate]) throws(StoreError) -> [String] {
    guard Set(candidates.map(\.id)).count == candidates.count else {
      throw StoreError(.failing, "two of the files are of the same session")
    }
    let last = try store.summary().lastNumber
    try store.commit(
      candidates.enumerated().map { index, candidate in
        let record = SessionRecord(
          number: last + 1 + index, id: candidate.id, modelName: candidate.model.name,
          modelDigest: candidate.model.digest, createdAt: .now, keepAlive: candidate.keepAlive,
          step: candidate.file.step, lastActivity: .now)
        return StoredChange(
          session: record.number, created: record,
          base: StoredBase(
            step: candidate.file.step, state: candidate.bytes, arithmetic: Model.arithmetic,
            reply: nil, recomputedFrom: nil),
          lastActivity: record.lastActivity)
      })
    return candidates.map(\.id)
  }

  // MARK: Housekeeping

  /// Gives back what the file has no use for.
  ///
  /// - Returns: the file's bytes before and after
  public func vacuum() throws(StoreError) -> (before: Int, after: Int) { try store.vacuum() }
}

/// Why a session can't be taken out of a store, or put into one.
public struct ArchiveError: Error, CustomStringConvertible {
  public let description: String
}
