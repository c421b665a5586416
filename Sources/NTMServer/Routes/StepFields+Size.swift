import NTMModel

/// What the length of a model's results depends on, beside the fields.
struct ResultShape: Sendable {
  let (rows, columns): (Int, Int)
  let (inputSize, outputSize): (Int, Int)
  let (heads, reads, writes): (Int, Int, Int)
  /// Of a head's shift.
  let taps: Int

  init(_ configuration: Configuration) {
    (rows, columns) = (configuration.memory.rows, configuration.memory.columns)
    (inputSize, outputSize) = (configuration.inputSize, configuration.outputSize)
    heads = configuration.heads.count
    reads = configuration.heads.count { $0.reads }
    writes = configuration.heads.count { $0.writes }
    taps = configuration.dialect.addressing.shift?.parameterCount ?? 0
  }
}

extension StepFields {
  /// A sign, nine digits, a point, an exponent such as "e-36", and a comma.
  private static let longestNumber = 16
  /// A row and a comma.
  private static let longestRow = 11
  /// The names of a head's parameters, and those that are one number; or those of largest weights.
  private static let longestHead = 192
  /// All else: names, the session, the step.
  private static let longestFrame = 256

  /// At least the bytes of one result with these fields.
  func largestResult(of model: ServedModel) -> Int {
    let shape = model.resultShape
    // With brackets or quotes, and a comma behind them.
    func list(_ count: Int) -> Int {
      (isBase64 ? ByteBuffer.base64Count(count) : count * Self.longestNumber) + 3
    }
    func weighting() -> Int {
      guard let top = top.map({ min($0, shape.rows) }) else { return list(shape.rows) }
      return Self.longestHead + top * Self.longestRow + list(top)
    }
    var bytes = Self.longestFrame
    if names.contains(.input) { bytes += list(shape.inputSize) }
    if names.contains(.output) { bytes += list(shape.outputSize) }
    if names.contains(.readWeightings) { bytes += shape.reads * weighting() }
    if names.contains(.writeWeightings) { bytes += shape.writes * weighting() }
    if names.contains(.readVectors) { bytes += shape.reads * list(shape.columns) }
    if names.contains(.heads) {
      bytes += shape.heads * (Self.longestHead + 3 * list(shape.columns) + list(shape.taps))
    }
    if names.contains(.memory) { bytes += shape.rows * list(shape.columns) }
    return bytes
  }
}
