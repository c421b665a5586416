/// Limits the parts of bodies that one run of the HTTP library receives. A run serves every connection
/// that has data, and a large number of uploads would delay all other requests.
struct BodyTurns<Upload> {
  /// Most parts in one run.
  static var mostParts: Int { 16 }
  /// A part of up to this many bytes is not counted.
  static var shortPart: Int { 1 << 10 }

  /// Parts in this run.
  private var parts = 0
  /// Uploads whose next part waits for a later run, in order of arrival.
  private var waiting: [Upload] = []

  /// Whether a part may be received in this run.
  mutating func mayReceive(_ bytes: Int) -> Bool {
    guard bytes > Self.shortPart else { return true }
    guard parts < Self.mostParts else { return false }
    parts += 1
    return true
  }

  mutating func postpone(_ upload: Upload) { waiting.append(upload) }

  /// Begins a run.
  ///
  /// - Returns: the uploads that have waited longest. Their parts are counted already.
  mutating func next() -> [Upload] {
    parts = 0
    guard !waiting.isEmpty else { return [] }
    let first = Array(waiting.prefix(Self.mostParts))
    waiting.removeFirst(first.count)
    parts = first.count
    return first
  }
}
