import NTMModel

/// A model as clients see it.
struct ModelResource: Encodable {
  let name: String
  let task: String?
  let source: String?
  let isDefault: Bool
  let digest: String
  /// The digest, by the name that `versions` and sessions have for it.
  let version: String
  let versions: [ModelVersion]
  let inputSize: Int
  let outputSize: Int
  let memory: MemoryShape
  let controller: Controller
  let heads: [Head]
  /// Trained values.
  let parameters: Int
  /// Bytes of a session's state.
  let stateBytes: Int
  let configuration: Configuration
  let training: JSONText?

  init(_ model: ServedModel, _ served: ServedModels, _ uses: [SessionTable.ModelUse]) {
    let configuration = model.model.configuration
    let description = model.description
    name = model.name
    task = description.task
    source = description.source
    isDefault = served.defaultModel === model
    digest = model.version
    version = model.version
    versions = ModelVersion.all(of: model.name, served, uses)
    inputSize = configuration.inputSize
    outputSize = configuration.outputSize
    memory = configuration.memory
    controller = configuration.controller
    heads = configuration.heads
    parameters = model.model.parameterCount
    stateBytes = model.stateBytes
    self.configuration = configuration
    training = model.training
  }

  private enum CodingKeys: String, CodingKey {
    case name, task, source, digest, version, versions, inputSize, outputSize, memory, controller,
      heads, parameters
    case stateBytes, configuration, training
    case isDefault = "default"
  }
}

/// What is left of a model that is no longer served.
struct UnloadedModel: Encodable {
  let name: String
  let versions: [ModelVersion]

  init(_ model: ServedModel, _ served: ServedModels, _ uses: [SessionTable.ModelUse]) {
    name = model.name
    versions = ModelVersion.all(of: model.name, served, uses)
  }
}

/// A model of a name: the one that new sessions get, or an older one that still has sessions.
struct ModelVersion: Encodable {
  let version: String
  let sessions: Int
  /// Whether new sessions get it.
  let current: Bool
  let loadedAt: Timestamp

  /// The current one first, then the newest.
  static func all(
    of name: String, _ served: ServedModels, _ uses: [SessionTable.ModelUse]
  ) -> [ModelVersion] {
    let current = served[name]
    var all = uses.filter { $0.model.name == name }
    if let current, !all.contains(where: { $0.model === current }) {
      all.append(SessionTable.ModelUse(model: current))
    }
    let isNewer = { (a: SessionTable.ModelUse, b: SessionTable.ModelUse) in
      (a.model === current ? 1 : 0, a.model.loadOrder)
        > (b.model === current ? 1 : 0, b.model.loadOrder)
    }
    return all.sorted(by: isNewer).map {
      ModelVersion(
        version: $0.model.version, sessions: $0.sessions, current: $0.model === current,
        loadedAt: $0.model.loadedAt)
    }
  }
}
