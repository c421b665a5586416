package import NTMModel

extension Configuration {
  /// A valid configuration that any choice may take part in.
  package static func random(_ random: inout SplitMix64) -> Configuration {
    var heads = (0..<Int.random(in: 1...5, using: &random)).map { _ in
      random.pick(Head.allCases)
    }
    if !heads.contains(where: \.reads) {
      heads[heads.count - 1] = random.pick([.read, .readWrite])
    }
    let isLSTM = random.chance(0.6)
    let rows = random.pick([
      1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 70, Int.random(in: 1...70, using: &random),
    ])
    let columns = random.pick([1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 20, 40])
    return Configuration(
      inputSize: Int.random(in: 1...6, using: &random),
      outputSize: Int.random(in: 1...19, using: &random),
      memory: MemoryShape(rows: rows, columns: columns),
      controller: Controller(
        kind: isLSTM
          ? .lstm
          : .feedForward(activation: random.pick(Activation.allCases.filter { $0 != .exp })),
        layers: Int.random(in: 1...3, using: &random),
        units: random.pick([1, 2, 5, 15, 16, 17, 20])),
      heads: heads, dialect: .random(&random), start: .random(&random))
  }
}

extension Dialect {
  package static func random(_ random: inout SplitMix64) -> Dialect {
    Dialect(
      memoryOrder: random.pick(MemoryOrder.allCases), addressing: .random(&random),
      write: Write(
        erase: random.chance(0.2) ? nil : random.pick(Activation.allCases),
        add: random.pick(Activation.allCases)),
      parameterClip: random.chance(0.3) ? .random(in: 0.3...1, using: &random) : nil,
      output: Output(
        source: random.pick(Output.Source.allCases), activation: random.pick(Activation.allCases),
        clip: random.chance(0.3) ? .random(in: 0.2...1, using: &random) : nil))
  }
}

extension Addressing {
  package static func random(_ random: inout SplitMix64) -> Addressing {
    let key = random.pick(Activation.allCases)
    // A key of zeros is likely under relu and has no cosine without a guard.
    let guards = Cosine.Guard.allCases.filter { key != .relu || $0 != .none }
    return Addressing(
      key: key,
      similarity: Cosine(
        offset: random.pick([0, 0, 1e-16, 0.05]), guard: random.pick(guards),
        epsilon: random.pick([1e-3, 0.02, 0.3])),
      strength: random.chance(0.2) ? nil : random.pick(Activation.allCases),
      // Other gates than a sigmoid may give negative weightings, which sharpening refuses, and
      // unbounded ones make weightings grow from step to step, and rounding with them.
      gate: random.chance(0.2) ? nil : random.chance(0.8) ? .sigmoid : random.pick([.tanh, .relu]),
      shift: random.chance(0.2) ? nil : .random(&random),
      sharpening: random.chance(0.2)
        ? nil
        : Sharpening(
          activation: random.pick([.relu, .softplus, .exp, .sigmoid]),
          epsilon: random.pick([0, 1e-16, 0.01])))
  }
}

extension Shift {
  package static func random(_ random: inout SplitMix64) -> Shift {
    if random.chance(0.35) {
      return .continuous(scale: random.pick([1, -1, 2.5, -3, 20]))
    }
    // Displacements beyond the ring, too.
    let taps = [-90, -71, -40, -17, -3, -2, -1, 0, 1, 2, 3, 16, 35, 70, 83].shuffled(using: &random)
    return .taps(
      Array(taps.prefix(Int.random(in: 1...7, using: &random))),
      activation: random.pick(TapActivation.allCases))
  }
}

extension StartState {
  package static func random(_ random: inout SplitMix64) -> StartState {
    func value(_ constants: [Float]) -> StartValue {
      random.chance(0.6) ? .stored : .constant(random.pick(constants))
    }
    return StartState(
      memory: value([0.1, -0.4]), weightings: value([0, 0.25]), reads: value([0, 0.3]),
      hidden: value([0, 0.2]), cell: value([0, -0.2]))
  }
}

extension Model {
  /// A model with random values: linear maps that keep their sums near one, start weightings that
  /// add up to 1, some zero memory rows where the dialect guards its cosines.
  package convenience init(
    _ configuration: Configuration, random: inout SplitMix64, kernels: Kernels = .best
  ) throws {
    var generator = random
    defer { random = generator }
    let isGuarded = configuration.dialect.addressing.similarity.guard != .none
    var tensors: [String: [Float]] = [:]
    try self.init(configuration, kernels: kernels) { name, shape, range, destination in
      if tensors[name] == nil {
        tensors[name] = generator.tensor(name, shape, zeroRows: isGuarded)
      }
      for index in range { destination[index - range.lowerBound] = tensors[name]![index] }
    }
  }

  /// A model with the same values and other kernels.
  package func copy(kernels: Kernels) throws -> Model {
    let values = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.values) })
    return try Model(configuration, kernels: kernels) { name, _, range, destination in
      for index in range { destination[index - range.lowerBound] = values[name]![index] }
    }
  }
}

extension SplitMix64 {
  fileprivate mutating func tensor(_ name: String, _ shape: [Int], zeroRows: Bool) -> [Float] {
    let (rows, columns) = (shape[0], shape.last!)
    switch name {
    case "start.weightings":
      return (0..<rows).flatMap { _ -> [Float] in
        let weights = (0..<columns).map { _ in Float.random(in: 0.01...1, using: &self) }
        return weights.map { $0 / weights.reduce(0, +) }
      }
    case "start.memory":
      return (0..<rows).flatMap { _ -> [Float] in
        let row = values(columns, within: 1)
        return zeroRows && chance(0.2) ? row.map { _ in 0 } : row
      }
    case _ where name.hasSuffix(".weight"):
      return values(rows * columns, within: 1.5 / Float(columns).squareRoot())
    default:
      return values(shape.reduce(1, *), within: 0.7)
    }
  }
}
