/// The keys that a server knows, within a time and a number of bytes.
///
/// A key is forgotten only by time. If there are too many bytes, the bodies of the oldest replies are
/// forgotten first; what their requests have changed is still known.
struct KeyTable {
  struct Limits: Sendable {
    /// Seconds that a key is kept.
    var timeToLive = 24 * 3600.0
    /// Bytes of keys and replies.
    var bytes = 256 << 20

    var milliseconds: Int64 { Int64(timeToLive * 1000) }
    /// A longer reply is not kept, because it would displace many others.
    var largestBody: Int { bytes / 4 }
  }

  private enum State {
    case running, answered
    /// An earlier server has carried out parts of the request.
    case partial
  }

  private struct Entry {
    let fingerprint: KeyFingerprint
    /// Tells requests with one key apart.
    let number: Int
    /// Its place in `order`.
    var place: Int
    /// When the request arrived.
    var age: Int64
    var state = State.running
    var applied: AppliedSteps?
    /// nil until there is a reply, and once it is forgotten.
    var reply: Reply?

    /// Bytes that a key costs without its reply's body.
    var cost: Int { KeyTable.keyCost + (applied?.text.utf8.count ?? 0) }
  }

  /// In a box, because most entries have none.
  private final class Reply: Sendable {
    let response: HTTPResponse
    init(_ response: HTTPResponse) { self.response = response }
    var bytes: Int { KeyTable.replyCost + response.body.count }
  }

  enum Arrival {
    case first(KeyID, number: Int, parts: [Int: KeyedReply])
    case replayed(HTTPResponse)
    /// The request was carried out, and its reply is not kept any more.
    case forgotten(AppliedSteps?)
    case running
    case different
    /// - Parameter milliseconds: until the oldest key is forgotten
    case full(milliseconds: Int64)
  }

  /// Bytes of an entry with its share of the dictionary's and the queue's spare room.
  static let keyCost = 256
  /// Bytes of a reply beside its body.
  static let replyCost = 256

  let limits: Limits
  private var entries: [KeyID: Entry] = [:]
  private var parts: [KeyID: [Int: KeyedReply]] = [:]
  /// Keys in the order in which their requests arrived; some are free again or came later once more.
  private var order: [(place: Int, id: KeyID)] = []
  /// Where the oldest key stands in `order`, and the oldest that may have a body.
  private var first = 0
  private var firstBody = 0
  private var keyBytes = 0
  private var replyBytes = 0
  var bytes: Int { keyBytes + replyBytes }
  private var lastPlace = 0
  /// Whether there may be keys of a version without scopes.
  private var hasUnscoped = false
  /// Replies that arrived before this have no body any more.
  private(set) var bodiesSince: Int64 = 0

  init(_ limits: Limits) { self.limits = limits }

  /// Places in the queue, for tests that look for leaks.
  var queueLength: Int { order.count }
  var count: Int { entries.count }

  // MARK: Requests

  mutating func arrive(
    _ id: KeyID, unscoped: @autoclosure () -> KeyID, _ fingerprint: KeyFingerprint,
    at age: Int64
  ) -> Arrival {
    expire(at: age)
    var id = id
    if entries[id] == nil, hasUnscoped, entries[unscoped()] != nil { id = unscoped() }
    if let entry = entries[id] {
      guard entry.fingerprint == fingerprint else { return .different }
      switch entry.state {
      case .running: return .running
      case .answered:
        return entry.reply.map { .replayed($0.response) } ?? .forgotten(entry.applied)
      case .partial:
        entries[id]?.state = .running
        return .first(id, number: entry.number, parts: parts[id] ?? [:])
      }
    }
    guard keyBytes + Self.keyCost <= limits.bytes else {
      return .full(milliseconds: untilExpiry(at: age))
    }
    makeRoom(Self.keyCost)
    let number = insert(id, fingerprint, age)
    return .first(id, number: number, parts: [:])
  }

  private mutating func insert(
    _ id: KeyID, _ fingerprint: KeyFingerprint, _ age: Int64
  ) -> Int {
    lastPlace += 1
    let entry = Entry(fingerprint: fingerprint, number: lastPlace, place: lastPlace, age: age)
    keyBytes += entry.cost
    entries[id] = entry
    order.append((lastPlace, id))
    if order.count - first > 2 * entries.count + 1000 { dropFree() }
    return entry.number
  }

  /// Notes how a request ended.
  ///
  /// - Parameter response: nil if it was refused, so that its key is free again
  mutating func finish(
    _ id: KeyID, _ number: Int, _ response: HTTPResponse?, _ applied: AppliedSteps?
  ) {
    guard var entry = entries[id], entry.number == number else { return }
    guard let response else {
      if parts[id] != nil { entries[id]?.state = .partial } else { remove(id) }
      return
    }
    parts[id] = nil
    keyBytes -= entry.cost
    entry.state = .answered
    entry.applied = applied
    keyBytes += entry.cost
    if response.status != KeyedReply.forgotten.status, entry.place >= placeOfFirstBody,
      response.body.count <= limits.largestBody
    {
      let reply = Reply(response)
      entry.reply = reply
      replyBytes += reply.bytes
    }
    entries[id] = entry
    makeRoom(0)
  }

  private var placeOfFirstBody: Int {
    let index = max(first, firstBody)
    return index < order.count ? order[index].place : lastPlace + 1
  }

  // MARK: From the store

  /// Adds a reply that an earlier server has stored. The oldest come first.
  mutating func restore(_ stored: KeyedReply) {
    let id = stored.id
    if stored.isUnscoped { hasUnscoped = true }
    guard let part = stored.part else {
      remove(id)
      let number = insert(id, KeyFingerprint(stored.fingerprint), stored.order)
      return finish(id, number, stored.response, stored.applied)
    }
    if entries[id] == nil {
      _ = insert(id, KeyFingerprint(stored.fingerprint), stored.order)
      entries[id]?.state = .partial
    }
    guard entries[id]?.state == .partial else { return }
    parts[id, default: [:]][part] = stored
  }

  /// The replies to all requests that were carried out, the oldest first.
  var replies: [KeyedReply] {
    order[first...].compactMap { place, id in
      guard let entry = entries[id], entry.place == place, entry.state == .answered else {
        return nil
      }
      return KeyedReply(
        key: id.text, fingerprint: entry.fingerprint.fingerprint, part: nil,
        response: entry.reply?.response ?? KeyedReply.forgotten, applied: entry.applied,
        age: entry.age)
    }
  }

  // MARK: Forgetting

  /// Forgets keys whose time is over.
  mutating func expire(at age: Int64) {
    let end = order.count
    while first < end {
      let (place, id) = order[first]
      if let entry = entries[id], entry.place == place {
        guard entry.age + limits.milliseconds < age else { break }
        if entry.state == .running {
          // It is asked for at this moment.
          lastPlace += 1
          entries[id]?.age = age
          entries[id]?.place = lastPlace
          order.append((lastPlace, id))
        } else {
          remove(id)
        }
      }
      first += 1
    }
    if first > 1000, first > order.count / 2 {
      order.removeFirst(first)
      firstBody = max(0, firstBody - first)
      first = 0
    }
  }

  private func untilExpiry(at age: Int64) -> Int64 {
    let oldest = order[first...].lazy.compactMap { place, id in
      entries[id].flatMap { $0.place == place ? $0.age : nil }
    }.first
    return max(1, (oldest ?? age) + limits.milliseconds - age)
  }

  /// Forgets the bodies of the oldest replies until there is room.
  private mutating func makeRoom(_ more: Int) {
    firstBody = max(first, firstBody)
    while bytes + more > limits.bytes, firstBody < order.count {
      let (place, id) = order[firstBody]
      firstBody += 1
      guard let entry = entries[id], entry.place == place else { continue }
      bodiesSince = max(bodiesSince, entry.age + 1)
      guard let reply = entry.reply else { continue }
      replyBytes -= reply.bytes
      entries[id]?.reply = nil
    }
  }

  private mutating func remove(_ id: KeyID) {
    guard let entry = entries.removeValue(forKey: id) else { return }
    keyBytes -= entry.cost
    replyBytes -= entry.reply?.bytes ?? 0
    parts[id] = nil
  }

  /// Drops places of keys that are free again.
  private mutating func dropFree() {
    let bodies = placeOfFirstBody
    order = order[first...].filter { entries[$0.id]?.place == $0.place }
    first = 0
    firstBody = order.firstIndex { $0.place >= bodies } ?? order.count
  }
}
