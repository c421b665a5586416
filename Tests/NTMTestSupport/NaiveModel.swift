import Foundation
package import NTMModel

/// The formulas of a step, transcribed one by one over plain arrays in double precision. It shares
/// no code with the module: the oracle that steps are compared with.
package struct NaiveModel {
  /// What the oracle does. A test changes one choice here to see that the comparison notices.
  package var configuration: Configuration
  /// The dialect that the tensors are laid out for: it says which parameters a head has.
  private let layout: Dialect
  /// Row-major, by their names in a model file.
  package var tensors: [String: [Double]]

  package struct State {
    package var memory: [[Double]]
    package var weightings: [[Double]]
    package var reads: [[Double]]
    package var hidden: [[Double]]
    package var cell: [[Double]]
  }

  package struct Result {
    package let output: [Double]
    package let logits: [Double]
    package let hidden: [Double]
    package let rawHeadParameters: [Double]
    package let heads: [Parameters]
  }

  /// One head's parameters after their activations; a stage that is absent is nil.
  package struct Parameters {
    package var key: [Double]
    package var strength: Double?
    package var gate: Double?
    /// A weight for each tap, or the displacement of a continuous shift.
    package var shift: [Double]?
    package var sharpening: Double?
    package var erase: [Double]?
    package var add: [Double]?
  }

  package init(_ model: Model) {
    configuration = model.configuration
    layout = model.configuration.dialect
    tensors = Dictionary(
      uniqueKeysWithValues: model.tensors.map { ($0.name, $0.values.map(Double.init)) })
  }

  // MARK: Start

  package func makeState() -> State {
    let (n, m) = (configuration.memory.rows, configuration.memory.columns)
    let layers = configuration.controller.kind == .lstm ? configuration.controller.layers : 0
    let units = configuration.controller.units
    let readCount = configuration.heads.filter { $0 != .write }.count
    return State(
      memory: start("memory", configuration.start.memory, n, m),
      weightings: start("weightings", configuration.start.weightings, configuration.heads.count, n),
      reads: start("reads", configuration.start.reads, readCount, m),
      hidden: start("hidden", configuration.start.hidden, layers, units),
      cell: start("cell", configuration.start.cell, layers, units))
  }

  private func start(
    _ name: String, _ value: StartValue, _ rows: Int, _ columns: Int
  ) -> [[Double]] {
    switch value {
    case .constant(let constant):
      Array(repeating: Array(repeating: Double(constant), count: columns), count: rows)
    case .stored:
      (0..<rows).map { row in
        (0..<columns).map { tensors["start.\(name)"]![row * columns + $0] }
      }
    }
  }

  // MARK: Step

  package func step(_ x: [Double], _ state: inout State) -> Result {
    let h = controller(x, &state)
    let raw = linear("heads", h)
    let clipped = clip(raw, configuration.dialect.parameterClip)
    let parameters = activated(clipped)
    runHeads(parameters, &state)
    let source =
      switch configuration.dialect.output.source {
      case .hidden: h
      case .hiddenAndReads: h + state.reads.flatMap { $0 }
      }
    let logits = clip(linear("output", source), configuration.dialect.output.clip)
    let output = logits.map { apply(configuration.dialect.output.activation, $0) }
    return Result(
      output: output, logits: logits, hidden: h, rawHeadParameters: raw, heads: parameters)
  }

  /// y = W x + b; columns beyond x are ignored.
  private func linear(_ name: String, _ x: [Double]) -> [Double] {
    let weight = tensors["\(name).weight"]!
    let bias = tensors["\(name).bias"]!
    let columns = weight.count / bias.count
    return bias.indices.map { row in
      var sum = bias[row]
      for column in 0..<min(columns, x.count) { sum += weight[row * columns + column] * x[column] }
      return sum
    }
  }

  private func controller(_ x: [Double], _ state: inout State) -> [Double] {
    var input = x + state.reads.flatMap { $0 }
    for layer in 0..<configuration.controller.layers {
      switch configuration.controller.kind {
      case .feedForward(let activation):
        input = linear("controller.\(layer)", input).map { apply(activation, $0) }
      case .lstm:
        let sums = linear("controller.\(layer)", input + state.hidden[layer])
        let units = configuration.controller.units
        for unit in 0..<units {
          let inputGate = sigmoid(sums[unit])
          let forgetGate = sigmoid(sums[units + unit])
          let candidate = tanh(sums[2 * units + unit])
          let outputGate = sigmoid(sums[3 * units + unit])
          let cell = forgetGate * state.cell[layer][unit] + inputGate * candidate
          state.cell[layer][unit] = cell
          state.hidden[layer][unit] = outputGate * tanh(cell)
        }
        input = state.hidden[layer]
      }
    }
    return input
  }

  // MARK: Heads

  /// Splits the heads' linear output into k, β, g, s, γ, e and a, and applies their activations.
  private func activated(_ raw: [Double]) -> [Parameters] {
    var rest = raw[...]
    func take(_ count: Int) -> [Double] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    let m = configuration.memory.columns
    let (addressing, write) = (configuration.dialect.addressing, configuration.dialect.write)
    return configuration.heads.map { head in
      let key = take(m)
      let strength = layout.addressing.strength == nil ? nil : take(1)[0]
      let gate = layout.addressing.gate == nil ? nil : take(1)[0]
      let shift: [Double]? =
        switch layout.addressing.shift {
        case nil: nil
        case .taps(let taps, _): take(taps.count)
        case .continuous: take(1)
        }
      let sharpening = layout.addressing.sharpening == nil ? nil : take(1)[0]
      let erase = head == .read || layout.write.erase == nil ? nil : take(m)
      let add = head == .read ? nil : take(m)
      return Parameters(
        key: key.map { apply(addressing.key, $0) },
        strength: addressing.strength.map { apply($0, strength ?? 0) },
        gate: addressing.gate.map { apply($0, gate ?? 0) },
        shift: addressing.shift.map { activated($0, shift ?? [0]) },
        sharpening: addressing.sharpening.map { 1 + apply($0.activation, sharpening ?? 0) },
        erase: write.erase.flatMap { activation in erase?.map { apply(activation, $0) } },
        add: add?.map { apply(write.add, $0) })
    }
  }

  private func activated(_ shift: Shift, _ raw: [Double]) -> [Double] {
    switch shift {
    case .continuous(let scale): [Double(scale) * (2 * sigmoid(raw[0]) - 1)]
    case .taps(_, .softmax): softmax(raw)
    case .taps(_, .softmaxOfRelu): softmax(raw.map { max($0, 0) })
    }
  }

  private func runHeads(_ parameters: [Parameters], _ state: inout State) {
    let before = state
    var reads: [[Double]] = []
    for (index, head) in configuration.heads.enumerated() {
      // Where the order is sequential, state.memory is what earlier heads left.
      let weighting = address(state.memory, parameters[index], before.weightings[index])
      state.weightings[index] = weighting
      if head != .write { reads.append(read(state.memory, weighting)) }
      if head != .read, configuration.dialect.memoryOrder == .sequential {
        write([index], parameters, &state)
      }
    }
    state.reads = reads
    let writers = configuration.heads.indices.filter { configuration.heads[$0] != .read }
    switch configuration.dialect.memoryOrder {
    case .sequential: break
    case .parallel: for index in writers { write([index], parameters, &state) }
    case .combined: write(writers, parameters, &state)
    }
  }

  /// r = Σ w(i) M(i)
  private func read(_ memory: [[Double]], _ weighting: [Double]) -> [Double] {
    (0..<configuration.memory.columns).map { column in
      memory.indices.reduce(0) { $0 + weighting[$1] * memory[$1][column] }
    }
  }

  /// M(i) ← M(i) Π (1 − w(i) e) + Σ w(i) a over the heads `indices`
  private func write(_ indices: [Int], _ parameters: [Parameters], _ state: inout State) {
    for i in 0..<configuration.memory.rows {
      for j in 0..<configuration.memory.columns {
        var keep = 1.0
        var added = 0.0
        for index in indices {
          let w = state.weightings[index][i]
          keep *= 1 - w * (parameters[index].erase?[j] ?? 0)
          added += w * (parameters[index].add?[j] ?? 0)
        }
        state.memory[i][j] = state.memory[i][j] * keep + added
      }
    }
  }

  // MARK: Addressing

  private func address(
    _ memory: [[Double]], _ head: Parameters, _ before: [Double]
  ) -> [Double] {
    let addressing = configuration.dialect.addressing
    // w^c
    var w = softmax(
      memory.map { (head.strength ?? 1) * cosine(head.key, $0, addressing.similarity) })
    // w^g
    if let g = head.gate { w = zip(w, before).map { g * $0 + (1 - g) * $1 } }
    // w̃
    if let shift = addressing.shift, let s = head.shift { w = shifted(w, shift, s) }
    // w
    if let sharpening = addressing.sharpening, let gamma = head.sharpening {
      let powers = w.map { $0 < 0 ? .nan : pow($0, gamma) }
      let sum = powers.reduce(0, +) + Double(sharpening.epsilon)
      w = powers.map { $0 / sum }
    }
    return w
  }

  private func cosine(_ u: [Double], _ v: [Double], _ similarity: Cosine) -> Double {
    let offset = Double(similarity.offset)
    let epsilon = Double(similarity.epsilon)
    var dot = 0.0
    var (uu, vv) = (0.0, 0.0)
    for (a, b) in zip(u, v) {
      dot += (a + offset) * (b + offset)
      uu += (a + offset) * (a + offset)
      vv += (b + offset) * (b + offset)
    }
    let (normU, normV) = (uu.squareRoot(), vv.squareRoot())
    return switch similarity.guard {
    case .none: dot / (normU * normV)
    case .normFloor: dot / (max(normU, epsilon) * max(normV, epsilon))
    case .productFloor: dot / max(normU * normV, epsilon)
    case .productOffset: dot / (normU * normV + epsilon)
    }
  }

  /// w̃(i) = Σ_j w(j) s(i − j), indices modulo N: what is displaced by d at row j lands on j + d.
  private func shifted(_ w: [Double], _ shift: Shift, _ s: [Double]) -> [Double] {
    var moved = Array(repeating: 0.0, count: w.count)
    func move(by displacement: Int, times scale: Double) {
      for j in w.indices {
        var i = (j + displacement) % w.count
        if i < 0 { i += w.count }
        moved[i] += scale * w[j]
      }
    }
    switch shift {
    case .taps(let taps, _):
      for (tap, weight) in zip(taps, s) { move(by: tap, times: weight) }
    case .continuous:
      guard s[0].isFinite else { return w.map { _ in .nan } }
      let whole = s[0].rounded(.down)
      move(by: Int(whole), times: 1 - (s[0] - whole))
      move(by: Int(whole) + 1, times: s[0] - whole)
    }
    return moved
  }

  // MARK: Elementary functions

  private func apply(_ activation: Activation, _ x: Double) -> Double {
    switch activation {
    case .identity: x
    case .relu: max(x, 0)
    case .tanh: tanh(x)
    case .sigmoid: sigmoid(x)
    case .softplus: max(x, 0) + log1p(exp(-abs(x)))
    case .exp: exp(x)
    }
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  private func softmax(_ values: [Double]) -> [Double] {
    let powers = values.map { exp($0 - values.max()!) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private func clip(_ values: [Double], _ bound: Float?) -> [Double] {
    guard let bound else { return values }
    return values.map { min(max($0, -Double(bound)), Double(bound)) }
  }
}
