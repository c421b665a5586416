extension ImportedWeights {
  /// Where the two TensorFlow cells, which compute the same, keep their variables.
  enum TensorFlowNames {
    /// MarkPKCollier/NeuralTuringMachine: linear layers made by helpers, the start state produced
    /// by one helper after another.
    case own
    /// tf.contrib.rnn.NTMCell: named variables.
    case contrib
  }

  /// Variables of a TensorFlow NTM. Matrices are stored inputs × outputs; an LSTM's columns are
  /// input, cell, forget and output gate, and 1 is added to the forget gate; the heads' parameters
  /// come first for all heads (read heads, then write heads), then erase and add of each write head.
  init(tensorflow file: SafeTensorsFile, names: TensorFlowNames, dialect: Dialect) throws {
    let variables = TensorFlowVariables(file)
    let start = try TensorFlowStart(variables, names)
    let (readHeads, columns) = (start.reads.count, start.reads[0].count)
    let heads =
      Array(repeating: Head.read, count: readHeads)
      + Array(repeating: .write, count: start.weightings.count - readHeads)
    let layers = variables.count { "cell_\($0)/basic_lstm_cell/kernel" }
    let kernel = try variables.matrix("cell_0/basic_lstm_cell/kernel")
    let units = kernel.columns / 4
    let parameters = try variables.linear(
      names == .own ? ["o2p/fully_connected", "o2p/dense"] : ["parameters"])
    let output = try variables.linear(
      names == .own ? ["o2o/fully_connected", "o2o/dense"] : ["output"])
    configuration = Configuration(
      inputSize: kernel.rows - readHeads * columns - units, outputSize: output.weight.rows,
      memory: MemoryShape(rows: start.weightings[0].count, columns: columns),
      controller: Controller(kind: .lstm, layers: layers, units: units), heads: heads,
      dialect: dialect,
      start: StartState(
        memory: .stored, weightings: .stored, reads: .stored, hidden: .constant(0),
        cell: .constant(0)))

    for layer in 0..<layers {
      let gates = try variables.matrix("cell_\(layer)/basic_lstm_cell/kernel").transposed
      let bias = try variables.values("cell_\(layer)/basic_lstm_cell/bias")
      guard gates.rows == 4 * units, bias.count == 4 * units else {
        throw ImportError("the LSTM's layer \(layer) has \(gates.rows) gates, not \(4 * units)")
      }
      let order = [0, 2, 1, 3].flatMap { $0 * units..<($0 + 1) * units }
      let forget = 2 * units..<3 * units
      set(
        "controller.\(layer)", weight: gates.selectingRows(order),
        bias: order.map { forget.contains($0) ? bias[$0] + 1 : bias[$0] })
    }

    let writeHeads = heads.count - readHeads
    let perHead = (parameters.weight.rows - writeHeads * 2 * columns) / heads.count
    try setShift(tapCount: perHead - columns - 3)
    let order = heads.indices.flatMap { index -> [Int] in
      let addressing = Array(index * perHead..<(index + 1) * perHead)
      guard heads[index].writes else { return addressing }
      let first = heads.count * perHead + (index - readHeads) * 2 * columns
      return addressing + Array(first..<first + 2 * columns)
    }
    guard order.count == parameters.weight.rows else {
      throw ImportError(
        "the heads have \(parameters.weight.rows) parameters; "
          + "\(heads.count) heads of \(columns) columns can't")
    }
    set(
      "heads", weight: parameters.weight.selectingRows(order),
      bias: order.map { parameters.bias[$0] })
    set("output", weight: output.weight, bias: output.bias)
    tensors["start.memory"] = start.memory
    tensors["start.weightings"] = start.weightings.flatMap { $0 }
    tensors["start.reads"] = start.reads.flatMap { $0 }
  }

  /// With a shift range of k the taps are 0, +1 … +k, −k … −1.
  private mutating func setShift(tapCount: Int) throws {
    guard tapCount > 0, tapCount % 2 == 1 else {
      throw ImportError("the heads have \(tapCount) shift parameters; an odd number is expected")
    }
    guard case .taps(_, let activation) = configuration.dialect.addressing.shift else { return }
    let range = tapCount / 2
    configuration.dialect.addressing.shift = .taps(
      Array(0...range) + Array(-range..<0), activation: activation)
  }
}

/// The start state as TensorFlow's variables give it.
private struct TensorFlowStart {
  let memory: [Float]
  let weightings: [[Float]]
  let reads: [[Float]]

  init(_ variables: TensorFlowVariables, _ names: ImportedWeights.TensorFlowNames) throws {
    switch names {
    case .contrib:
      let readHeads = variables.count { "initial_read_vector_\($0)" }
      let heads = variables.count { "initial_address_weights_\($0)" }
      guard readHeads > 0, heads > readHeads else {
        throw ImportError(
          "there are \(readHeads) initial_read_vector_… and \(heads) "
            + "initial_address_weights_…; a vector for each read head and weights for each head are expected"
        )
      }
      reads = try (0..<readHeads).map {
        ImportedWeights.tanh(try variables.values("initial_read_vector_\($0)"))
      }
      weightings = try (0..<heads).map {
        ImportedWeights.softmax(try variables.values("initial_address_weights_\($0)"))
      }
      memory = try variables.values("ntm_cell/memory")
    case .own:
      // One helper layer after another: the reads, the weightings, the memory.
      let count = variables.count { Self.helper($0) }
      let vectors = try (0..<count).map { try variables.values(Self.helper($0)) }
      guard let last = vectors.last, let columns = vectors.first?.count, columns > 0,
        last.count % columns == 0,
        let readHeads = Self.readHeads(vectors.dropLast(), rows: last.count / columns, columns)
      else { throw ImportError("init/fully_connected… have sizes \(vectors.map(\.count))") }
      reads = vectors.prefix(readHeads).map(ImportedWeights.tanh)
      weightings = vectors.dropFirst(readHeads).dropLast().map(ImportedWeights.softmax)
      memory = ImportedWeights.tanh(last)
    }
    let (rows, columns) = (weightings[0].count, reads[0].count)
    guard memory.count == rows * columns, weightings.allSatisfy({ $0.count == rows }),
      reads.allSatisfy({ $0.count == columns })
    else {
      throw ImportError("the start memory has \(memory.count) values, not \(rows) × \(columns)")
    }
  }

  private static func helper(_ index: Int) -> String {
    "init/fully_connected\(index == 0 ? "" : "_\(index)")/weights"
  }

  /// How many of the vectors are reads: those of M values before those of N. Where N = M the sizes
  /// don't tell, and as many write heads as read heads are taken, so a third of all.
  private static func readHeads(
    _ vectors: ArraySlice<[Float]>, rows: Int, _ columns: Int
  ) -> Int? {
    let reads = rows == columns ? vectors.count / 3 : vectors.prefix { $0.count == columns }.count
    let weightings = vectors.dropFirst(reads)
    guard reads > 0, weightings.count >= reads, weightings.allSatisfy({ $0.count == rows }) else {
      return nil
    }
    return reads
  }
}

/// Variables by the end of their names: what stands before it is the graph's scope.
private struct TensorFlowVariables {
  let file: SafeTensorsFile

  init(_ file: SafeTensorsFile) { self.file = file }

  func find(_ ending: String) -> String? {
    file.header.tensors.map(\.name).first { $0 == ending || $0.hasSuffix("/" + ending) }
  }

  func name(_ ending: String) throws -> String {
    guard let name = find(ending) else {
      throw SafeTensorsError(tensor: "…/" + ending, "is missing")
    }
    return name
  }

  func count(_ ending: (Int) -> String) -> Int { (0...).prefix { find(ending($0)) != nil }.count }

  func values(_ ending: String) throws -> [Float] { try file.values(name(ending)) }
  func matrix(_ ending: String) throws -> Matrix { try file.matrix(name(ending)) }

  /// A linear layer under the first of the scopes that has one, as outputs × inputs.
  func linear(_ scopes: [String]) throws -> (weight: Matrix, bias: [Float]) {
    for scope in scopes {
      for (weight, bias) in [("/weights", "/biases"), ("/kernel", "/bias"), ("_kernel", "_bias")]
      where find(scope + weight) != nil {
        let matrix = try matrix(scope + weight).transposed
        let bias = try file.values(name(scope + bias), count: matrix.rows)
        return (matrix, bias)
      }
    }
    throw SafeTensorsError(tensor: "…/\(scopes[0])…", "is missing")
  }
}
