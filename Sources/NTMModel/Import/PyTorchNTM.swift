extension ImportedWeights {
  /// loudinthecloud/pytorch-ntm's state dict. Its heads act one after another on live memory, so
  /// their order is the list's; an LSTM has two bias vectors, of which the sum matters.
  init(pytorchNTM file: SafeTensorsFile, dialect: Preset?) throws {
    let names = Set(file.header.tensors.map(\.name))
    let memory = try file.matrix("memory.mem_bias")
    try Self.checkAliases(of: memory, in: file)
    let heads = try Self.heads(names)
    let layers = (0...).prefix { names.contains("ntm.controller.lstm.weight_ih_l\($0)") }.count
    let output = try file.matrix("ntm.fc.weight")
    let gates = try file.matrix("ntm.controller.lstm.weight_ih_l0")
    let reads = heads.count { $0.reads }
    configuration = Configuration(
      inputSize: gates.columns - reads * memory.columns, outputSize: output.rows,
      memory: MemoryShape(rows: memory.rows, columns: memory.columns),
      controller: Controller(kind: .lstm, layers: layers, units: gates.rows / 4), heads: heads,
      dialect: try Self.dialect(dialect, file.header.metadata["variant"]),
      start: StartState(
        memory: .stored, weightings: .constant(0), reads: .stored, hidden: .stored, cell: .stored))

    let units = configuration.controller.units
    for layer in 0..<layers {
      let lstm = "ntm.controller.lstm"
      let input = try file.matrix(
        "\(lstm).weight_ih_l\(layer)", rows: 4 * units,
        columns: layer == 0 ? gates.columns : units)
      let recurrent = try file.matrix(
        "\(lstm).weight_hh_l\(layer)", rows: 4 * units, columns: units)
      let biases = zip(
        try file.values("\(lstm).bias_ih_l\(layer)", count: input.rows),
        try file.values("\(lstm).bias_hh_l\(layer)", count: input.rows))
      set("controller.\(layer)", weight: input.joined(recurrent), bias: biases.map { $0 + $1 })
    }
    var headWeights: [Float] = []
    var headBiases: [Float] = []
    for (index, parameters) in configuration.headParameters.enumerated() {
      let name = Self.headName(index, heads[index])
      let count = parameters.range.count
      headWeights += try file.matrix("\(name).weight", rows: count, columns: units).values
      headBiases += try file.values("\(name).bias", count: count)
    }
    tensors["heads.weight"] = headWeights
    tensors["heads.bias"] = headBiases
    try file.check("ntm.fc.weight", shape: [output.rows, configuration.outputInputSize])
    set("output", weight: output, bias: try file.values("ntm.fc.bias", count: output.rows))
    tensors["start.memory"] = memory.values
    tensors["start.reads"] = try (0..<reads).flatMap {
      try file.values("ntm.read\($0)_bias", count: memory.columns)
    }
    tensors["start.hidden"] = try file.values("ntm.controller.lstm_h_bias")
    tensors["start.cell"] = try file.values("ntm.controller.lstm_c_bias")
  }

  private static func headName(_ index: Int, _ head: Head) -> String {
    "ntm.heads.\(index).fc_\(head.rawValue)"
  }

  private static func heads(_ names: Set<String>) throws -> [Head] {
    var heads: [Head] = []
    while let head = [Head.read, .write].first(where: {
      names.contains("\(headName(heads.count, $0)).weight")
    }) {
      heads.append(head)
    }
    guard !heads.isEmpty else { throw ImportError("there is no ntm.heads.0.fc_read or fc_write") }
    // What is left of a head without its weight must not go unseen.
    let next = "ntm.heads.\(heads.count)."
    if let left = names.filter({ $0.hasPrefix(next) }).min() {
      throw ImportError(
        "tensor \"\(left)\" is there, but no \(next)fc_read.weight or fc_write.weight")
    }
    return heads
  }

  /// The state dict holds the start memory again under every object that refers to it.
  private static func checkAliases(of memory: Matrix, in file: SafeTensorsFile) throws {
    for tensor in file.header.tensors where tensor.name.hasSuffix(".memory.mem_bias") {
      guard try file.values(tensor.name) == memory.values else {
        throw ImportError("tensor \"\(tensor.name)\" differs from memory.mem_bias")
      }
    }
  }

  private static func dialect(_ chosen: Preset?, _ variant: String?) throws -> Dialect {
    if let chosen { return chosen.dialect }
    switch variant {
    case "head": return Preset.pytorchNTM.dialect
    case "legacy": return Preset.pytorchNTM2017.dialect
    default:
      throw ImportError(
        "the weights don't say which activations they were trained with: choose the dialect "
          + "\(Preset.pytorchNTM.rawValue) (since 2018) or \(Preset.pytorchNTM2017.rawValue)")
    }
  }
}
