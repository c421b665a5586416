/// What is wrong with a configuration, naming the field as the model file spells it.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  public let field: String
  public let reason: String

  public init(field: String, reason: String) {
    self.field = field
    self.reason = reason
  }

  public var description: String { "configuration: \(field): \(reason)" }
}

extension Configuration {
  /// Bounds that keep every product of two sizes far from overflow, and every buffer addressable.
  enum Limit {
    static let size = 1 << 24
    static let rows = 1 << 30
    static let layers = 64
    static let heads = 256
    static let taps = 1 << 10
  }

  /// Checks everything that a model relies on.
  ///
  /// - Throws: `ConfigurationError` for the first field that is out of its range.
  public func validate() throws(ConfigurationError) {
    try check("input_size", inputSize, 1...Limit.size)
    try check("output_size", outputSize, 1...Limit.size)
    try check("memory.rows", memory.rows, 1...Limit.rows)
    try check("memory.columns", memory.columns, 1...Limit.size)
    try check("controller.layers", controller.layers, 1...Limit.layers)
    try check("controller.units", controller.units, 1...Limit.size)
    try check("heads", heads.count, 1...Limit.heads)
    guard readCount > 0 else {
      throw ConfigurationError(field: "heads", reason: "no head reads; at least one must")
    }
    try dialect.addressing.validate()
    try checkClip("parameter_clip", dialect.parameterClip)
    try checkClip("output.clip", dialect.output.clip)
    for (name, value) in start.parts {
      if case .constant(let constant) = value, !constant.isFinite {
        throw ConfigurationError(field: "start.\(name)", reason: "is not a finite number")
      }
    }
  }

  private func check(
    _ field: String, _ value: Int, _ range: ClosedRange<Int>
  ) throws(ConfigurationError) {
    guard range.contains(value) else {
      throw ConfigurationError(
        field: field,
        reason: "is \(value); from \(range.lowerBound) to \(range.upperBound) is valid")
    }
  }

  private func checkClip(_ field: String, _ clip: Float?) throws(ConfigurationError) {
    guard let clip else { return }
    guard clip.isFinite, clip > 0 else {
      throw ConfigurationError(field: field, reason: "is \(clip); a clip is a positive number")
    }
  }
}

extension StartState {
  package var parts: [(name: String, value: StartValue)] {
    [
      ("memory", memory), ("weightings", weightings), ("reads", reads), ("hidden", hidden),
      ("cell", cell),
    ]
  }
}

extension Addressing {
  fileprivate func validate() throws(ConfigurationError) {
    try checkEpsilon("similarity.offset", similarity.offset)
    try checkEpsilon("similarity.epsilon", similarity.epsilon)
    if let sharpening {
      try checkEpsilon("sharpening.epsilon", sharpening.epsilon)
      guard [.relu, .softplus, .exp, .sigmoid].contains(sharpening.activation) else {
        throw ConfigurationError(
          field: "addressing.sharpening.activation",
          reason: "is \(sharpening.activation.rawValue), which allows γ < 1")
      }
    }
    switch shift {
    case .taps(let taps, _):
      guard (1...Configuration.Limit.taps).contains(taps.count), Set(taps).count == taps.count,
        taps.allSatisfy({ $0.magnitude < Configuration.Limit.size })
      else {
        throw ConfigurationError(
          field: "addressing.shift.taps", reason: "is \(taps); distinct displacements are valid")
      }
    case .continuous(let scale):
      guard scale.isFinite, abs(scale) < Float(Configuration.Limit.size) else {
        throw ConfigurationError(field: "addressing.shift.scale", reason: "is \(scale)")
      }
    case nil: break
    }
  }

  private func checkEpsilon(_ field: String, _ value: Float) throws(ConfigurationError) {
    guard value.isFinite, value >= 0 else {
      throw ConfigurationError(
        field: "addressing.\(field)", reason: "is \(value); zero or a positive number is valid")
    }
  }
}
