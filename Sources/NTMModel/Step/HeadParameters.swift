/// Where one head's parameters lie in the vector that the heads' linear map of h_t gives.
///
/// Every head has, in this order and where its dialect has the stage: key k [M], key strength β,
/// gate g, shift s [taps], sharpening γ; a head that writes also erase e [M] and add a [M].
package struct HeadParameters: Equatable, Sendable {
  package let key: Range<Int>
  package let strength: Int?
  package let gate: Int?
  package let shift: Range<Int>?
  package let sharpening: Int?
  package let erase: Range<Int>?
  package let add: Range<Int>?
  /// All of them.
  package let range: Range<Int>

  init(_ head: Head, startingAt start: Int, columns: Int, dialect: Dialect) {
    var end = start
    func take(_ count: Int) -> Range<Int> {
      defer { end += count }
      return end..<end + count
    }
    func takeOne(_ stage: Bool) -> Int? { stage ? take(1).lowerBound : nil }
    key = take(columns)
    strength = takeOne(dialect.addressing.strength != nil)
    gate = takeOne(dialect.addressing.gate != nil)
    shift = (dialect.addressing.shift?.parameterCount).map(take)
    sharpening = takeOne(dialect.addressing.sharpening != nil)
    erase = head.writes && dialect.write.erase != nil ? take(columns) : nil
    add = head.writes ? take(columns) : nil
    range = start..<end
  }
}

extension Configuration {
  /// The parameters of all heads, in their order.
  package var headParameters: [HeadParameters] {
    var end = 0
    return heads.map { head in
      let parameters = HeadParameters(
        head, startingAt: end, columns: memory.columns, dialect: dialect)
      end = parameters.range.upperBound
      return parameters
    }
  }
}
