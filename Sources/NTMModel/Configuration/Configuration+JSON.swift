// A configuration as JSON, the form in which a model file holds it:
//
//   {"input_size": 9, "output_size": 8, "memory": {"rows": 128, "columns": 20},
//    "controller": {"type": "lstm", "layers": 1, "units": 100},
//    "heads": ["read", "write"],
//    "dialect": {
//      "memory_order": "sequential",
//      "addressing": {
//        "key": "identity",
//        "similarity": {"offset": 1e-16, "guard": "norm_floor", "epsilon": 1e-8},
//        "strength": "softplus", "gate": "sigmoid",
//        "shift": {"type": "taps", "taps": [1, 0, -1], "activation": "softmax"},
//        "sharpening": {"activation": "softplus", "epsilon": 1e-16}},
//      "write": {"erase": "sigmoid", "add": "identity"},
//      "parameter_clip": null,
//      "output": {"source": "hidden_and_reads", "activation": "sigmoid", "clip": null}},
//    "start": {"memory": "stored", "weightings": 0, "reads": "stored", …}}
//
// Every field is required and none may be unknown, because a model under a choice that it was not
// trained with is silently wrong: a stage that is absent is null, not left out.

extension Configuration: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case inputSize = "input_size"
    case outputSize = "output_size"
    case memory, controller, heads, dialect, start
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    self.init(
      inputSize: try fields.decode(Int.self, forKey: .inputSize),
      outputSize: try fields.decode(Int.self, forKey: .outputSize),
      memory: try fields.decode(MemoryShape.self, forKey: .memory),
      controller: try fields.decode(Controller.self, forKey: .controller),
      heads: try fields.decode([Head].self, forKey: .heads),
      dialect: try fields.decode(Dialect.self, forKey: .dialect),
      start: try fields.decode(StartState.self, forKey: .start))
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(inputSize, forKey: .inputSize)
    try fields.encode(outputSize, forKey: .outputSize)
    try fields.encode(memory, forKey: .memory)
    try fields.encode(controller, forKey: .controller)
    try fields.encode(heads, forKey: .heads)
    try fields.encode(dialect, forKey: .dialect)
    try fields.encode(start, forKey: .start)
  }
}

extension MemoryShape: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case rows, columns }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    rows = try fields.decode(Int.self, forKey: .rows)
    columns = try fields.decode(Int.self, forKey: .columns)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(rows, forKey: .rows)
    try fields.encode(columns, forKey: .columns)
  }
}

extension Controller: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case type, layers, units, activation }
  private enum Name: String, Codable {
    case lstm
    case feedForward = "feed_forward"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self, optional: [.activation])
    switch try fields.decode(Name.self, forKey: .type) {
    case .lstm:
      guard !fields.contains(.activation) else {
        throw DecodingError.dataCorruptedError(
          forKey: .activation, in: fields, debugDescription: "an lstm has no choice of activation")
      }
      kind = .lstm
    case .feedForward:
      kind = .feedForward(activation: try fields.decode(Activation.self, forKey: .activation))
    }
    layers = try fields.decode(Int.self, forKey: .layers)
    units = try fields.decode(Int.self, forKey: .units)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    switch kind {
    case .lstm: try fields.encode(Name.lstm, forKey: .type)
    case .feedForward(let activation):
      try fields.encode(Name.feedForward, forKey: .type)
      try fields.encode(activation, forKey: .activation)
    }
    try fields.encode(layers, forKey: .layers)
    try fields.encode(units, forKey: .units)
  }
}

extension StartValue: Codable {
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let constant = try? value.decode(Float.self) {
      self = .constant(constant)
    } else if (try? value.decode(String.self)) == "stored" {
      self = .stored
    } else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "a number or \"stored\" is valid")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .stored: try value.encode("stored")
    case .constant(let constant): try value.encode(constant)
    }
  }
}

extension StartState: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case memory, weightings, reads, hidden, cell
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    memory = try fields.decode(StartValue.self, forKey: .memory)
    weightings = try fields.decode(StartValue.self, forKey: .weightings)
    reads = try fields.decode(StartValue.self, forKey: .reads)
    hidden = try fields.decode(StartValue.self, forKey: .hidden)
    cell = try fields.decode(StartValue.self, forKey: .cell)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(memory, forKey: .memory)
    try fields.encode(weightings, forKey: .weightings)
    try fields.encode(reads, forKey: .reads)
    try fields.encode(hidden, forKey: .hidden)
    try fields.encode(cell, forKey: .cell)
  }
}
