public import ArgumentParser
public import NTMModel
public import NTMTraining

/// `5-20` or `8` on the command line.
extension Sizes: ExpressibleByArgument {
  public init?(argument: String) {
    let ends = argument.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
      .map { Int($0) }
    guard let least = ends.first ?? nil, let most = ends.last ?? nil, 1 <= least, least <= most
    else { return nil }
    self.init(least...most)
  }
}

extension TaskKind: ExpressibleByArgument {}
extension OptimizerRule: ExpressibleByArgument {}
extension Activation: ExpressibleByArgument {}

/// The settings of a task; each is refused by tasks that don't have it.
struct TaskSettings: ParsableArguments {
  @Option(help: "Bits of a vector.")
  var bits: Int?
  @Option(help: "Vectors to copy, as in 1-20; of ngrams, the bits of a sequence.")
  var length: Sizes?
  @Option(help: "How often to repeat, as in 1-10.")
  var repeats: Sizes?
  @Option(help: "Items to recall from, as in 2-6.")
  var items: Sizes?
  @Option(help: "Vectors to sort.")
  var vectors: Int?
  @Option(help: "How many of them are asked for.")
  var sorted: Int?

  var isEmpty: Bool {
    bits == nil && length == nil && repeats == nil && items == nil && vectors == nil
      && sorted == nil
  }

  func apply(to task: any TrainingTask) throws -> any TrainingTask {
    var left = self
    func take<Value>(_ option: WritableKeyPath<TaskSettings, Value?>, _ value: inout Value) {
      if let given = left[keyPath: option] { value = given }
      left[keyPath: option] = nil
    }
    let result: any TrainingTask
    switch task {
    case var task as Copy:
      take(\.bits, &task.bits)
      take(\.length, &task.length)
      result = task
    case var task as RepeatCopy:
      take(\.bits, &task.bits)
      take(\.length, &task.length)
      take(\.repeats, &task.repeats)
      result = task
    case var task as AssociativeRecall:
      take(\.bits, &task.bits)
      take(\.items, &task.items)
      result = task
    case var task as DynamicNGrams:
      var length = Sizes(task.length...task.length)
      take(\.length, &length)
      guard length.least == length.most else {
        throw ValidationError("--length of ngrams is one number")
      }
      task.length = length.most
      result = task
    case var task as PrioritySort:
      take(\.bits, &task.bits)
      take(\.vectors, &task.vectors)
      take(\.sorted, &task.sorted)
      result = task
    default: result = task
    }
    guard left.isEmpty else {
      let names = [
        ("--bits", left.bits != nil), ("--length", left.length != nil),
        ("--repeats", left.repeats != nil), ("--items", left.items != nil),
        ("--vectors", left.vectors != nil), ("--sorted", left.sorted != nil),
      ].filter(\.1).map(\.0).joined(separator: ", ")
      throw ValidationError("task \(type(of: task).name) has no \(names)")
    }
    do {
      try result.validate()
    } catch {
      throw ValidationError("--\(error)")
    }
    return result
  }
}

/// The model that is trained, where it is not as the task's preset says.
struct ModelSettings: ParsableArguments {
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case lstm
    case feedForward = "feed-forward"
  }

  @Option(help: "The controller.")
  var controller: Kind?
  @Option(help: "Layers of the controller.")
  var layers: Int?
  @Option(help: "Units of a layer.")
  var units: Int?
  @Option(help: "Rows of the memory, N.")
  var rows: Int?
  @Option(help: "Columns of the memory, M.")
  var columns: Int?
  @Option(
    help:
      "The heads in their order, with commas: \(Head.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var heads: String?
  @Option(
    help: "The choices in which implementations differ, by the name of one.")
  var dialect: Preset?
  @Option(
    help: """
      The output's activation. Sigmoid is trained by cross-entropy, any other by squared error.
      """)
  var activation: Activation?
  @Option(help: "The key strengths' activation. Exp tells rows apart more sharply than softplus.")
  var strength: Activation?
  @Option(help: "What the start memory is everywhere, or `learned`.")
  var startMemory: String?
  @Option(help: "What the start weightings are everywhere, or `learned`.")
  var startWeightings: String?

  var isEmpty: Bool {
    controller == nil && layers == nil && units == nil && rows == nil && columns == nil
      && heads == nil && dialect == nil && activation == nil && strength == nil
      && startMemory == nil && startWeightings == nil
  }

  func apply(to configuration: inout Configuration) throws {
    switch controller {
    case .lstm: configuration.controller.kind = .lstm
    case .feedForward: configuration.controller.kind = .feedForward(activation: .tanh)
    case nil: break
    }
    if let layers { configuration.controller.layers = layers }
    if let units { configuration.controller.units = units }
    if let rows { configuration.memory.rows = rows }
    if let columns { configuration.memory.columns = columns }
    if let heads {
      configuration.heads = try heads.split(separator: ",").map { name in
        guard let head = Head(rawValue: String(name)) else {
          throw ValidationError(
            "--heads has '\(name)'; heads are "
              + Head.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return head
      }
    }
    if let dialect {
      let output = configuration.dialect.output.activation
      configuration.dialect = dialect.dialect
      configuration.dialect.output.activation = output
    }
    if let activation { configuration.dialect.output.activation = activation }
    if let strength { configuration.dialect.addressing.strength = strength }
    if let startMemory {
      configuration.start.memory = try Self.start(startMemory, "--start-memory")
    }
    if let startWeightings {
      configuration.start.weightings = try Self.start(startWeightings, "--start-weightings")
    }
    do {
      try configuration.validate()
    } catch {
      throw ValidationError("this is not a model: \(error)")
    }
  }

  private static func start(_ text: String, _ option: String) throws -> StartValue {
    if text == "learned" { return .stored }
    guard let value = Float(text), value.isFinite else {
      throw ValidationError("\(option) is '\(text)'; it must be a number or `learned`")
    }
    return .constant(value)
  }
}

/// The settings of the run, where they are not as the task's preset says.
struct RunSettings: ParsableArguments {
  @Option(help: "Sequences to train on.")
  var sequences: Int?
  @Option(help: "Sequences of an update.")
  var batch: Int?
  @Option(help: "How gradients become updates.")
  var optimizer: OptimizerRule?
  @Option(help: "The size of an update.")
  var rate: Double?
  @Option(help: "The part of the run, at its end, in which the rate falls.")
  var decay: Double?
  @Option(help: "What it falls to, as a part of it.")
  var finalRate: Double?
  @Option(help: "The bound on the gradient: on its elements for rmsprop, on its norm for adam.")
  var clip: Double?
  @Option(help: "The part of the run in which sequences grow to their full length.")
  var curriculum: Double?
  @Option(help: "One seed gives one model, bit for bit, on one machine.")
  var seed: UInt64?
  @Option(help: "Sequences between two validations, each of which writes a checkpoint.")
  var interval: Int?
  @Option(help: "Sequences of a validation.")
  var validation: Int?
  @Option(help: "Sequences of a validation from each set beyond the training lengths.")
  var validationBeyond: Int?

  var isEmpty: Bool {
    sequences == nil && batch == nil && optimizer == nil && rate == nil && decay == nil
      && finalRate == nil && clip == nil && curriculum == nil && seed == nil && interval == nil
      && validation == nil && validationBeyond == nil
  }

  func apply(to options: inout TrainingOptions) throws {
    func set<Value>(_ field: WritableKeyPath<TrainingOptions, Value>, _ value: Value?) {
      if let value { options[keyPath: field] = value }
    }
    set(\.sequences, sequences)
    set(\.batch, batch)
    set(\.optimizer, optimizer)
    set(\.rate, rate)
    set(\.decay, decay)
    set(\.finalRate, finalRate)
    set(\.clip, clip)
    set(\.curriculum, curriculum)
    set(\.seed, seed)
    set(\.interval, interval)
    set(\.validation, validation)
    set(\.validationBeyond, validationBeyond)
    do {
      try options.validate()
    } catch {
      throw ValidationError("--\(error)")
    }
  }
}
