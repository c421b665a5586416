// The JSON form of a dialect's parts; Configuration+JSON.swift shows the whole.

extension Dialect: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case memoryOrder = "memory_order"
    case addressing, write
    case parameterClip = "parameter_clip"
    case output
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    memoryOrder = try fields.decode(MemoryOrder.self, forKey: .memoryOrder)
    addressing = try fields.decode(Addressing.self, forKey: .addressing)
    write = try fields.decode(Write.self, forKey: .write)
    parameterClip = try fields.decode(Float?.self, forKey: .parameterClip)
    output = try fields.decode(Output.self, forKey: .output)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(memoryOrder, forKey: .memoryOrder)
    try fields.encode(addressing, forKey: .addressing)
    try fields.encode(write, forKey: .write)
    try fields.encode(parameterClip, forKey: .parameterClip)
    try fields.encode(output, forKey: .output)
  }
}

extension Addressing: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case key, similarity, strength, gate, shift, sharpening
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    key = try fields.decode(Activation.self, forKey: .key)
    similarity = try fields.decode(Cosine.self, forKey: .similarity)
    strength = try fields.decode(Activation?.self, forKey: .strength)
    gate = try fields.decode(Activation?.self, forKey: .gate)
    shift = try fields.decode(Shift?.self, forKey: .shift)
    sharpening = try fields.decode(Sharpening?.self, forKey: .sharpening)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(key, forKey: .key)
    try fields.encode(similarity, forKey: .similarity)
    try fields.encode(strength, forKey: .strength)
    try fields.encode(gate, forKey: .gate)
    try fields.encode(shift, forKey: .shift)
    try fields.encode(sharpening, forKey: .sharpening)
  }
}

extension Cosine: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case offset, `guard`, epsilon }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    offset = try fields.decode(Float.self, forKey: .offset)
    `guard` = try fields.decode(Guard.self, forKey: .guard)
    epsilon = try fields.decode(Float.self, forKey: .epsilon)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(offset, forKey: .offset)
    try fields.encode(`guard`, forKey: .guard)
    try fields.encode(epsilon, forKey: .epsilon)
  }
}

extension Shift: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case type, taps, activation, scale }
  private enum Name: String, Codable { case taps, continuous }

  public init(from decoder: any Decoder) throws {
    let type = try decoder.container(keyedBy: CodingKeys.self).decode(Name.self, forKey: .type)
    switch type {
    case .taps:
      let fields = try decoder.strictContainer(
        keyedBy: CodingKeys.self, without: [.scale])
      self = .taps(
        try fields.decode([Int].self, forKey: .taps),
        activation: try fields.decode(TapActivation.self, forKey: .activation))
    case .continuous:
      let fields = try decoder.strictContainer(
        keyedBy: CodingKeys.self, without: [.taps, .activation])
      self = .continuous(scale: try fields.decode(Float.self, forKey: .scale))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .taps(let taps, let activation):
      try fields.encode(Name.taps, forKey: .type)
      try fields.encode(taps, forKey: .taps)
      try fields.encode(activation, forKey: .activation)
    case .continuous(let scale):
      try fields.encode(Name.continuous, forKey: .type)
      try fields.encode(scale, forKey: .scale)
    }
  }
}

extension Sharpening: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case activation, epsilon }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    activation = try fields.decode(Activation.self, forKey: .activation)
    epsilon = try fields.decode(Float.self, forKey: .epsilon)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(activation, forKey: .activation)
    try fields.encode(epsilon, forKey: .epsilon)
  }
}

extension Write: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case erase, add }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    erase = try fields.decode(Activation?.self, forKey: .erase)
    add = try fields.decode(Activation.self, forKey: .add)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(erase, forKey: .erase)
    try fields.encode(add, forKey: .add)
  }
}

extension Output: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case source, activation, clip }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.strictContainer(keyedBy: CodingKeys.self)
    source = try fields.decode(Source.self, forKey: .source)
    activation = try fields.decode(Activation.self, forKey: .activation)
    clip = try fields.decode(Float?.self, forKey: .clip)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(source, forKey: .source)
    try fields.encode(activation, forKey: .activation)
    try fields.encode(clip, forKey: .clip)
  }
}
