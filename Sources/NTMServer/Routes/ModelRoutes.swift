import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// `GET /models`, `GET /models/{name}`.
struct ModelRoutes: Sendable {
  let pool: ModelPool

  var routes: [Router.Route] {
    [
      Router.Route("GET", "/models") { _ in
        .respond(.json(["models": pool.models.map { ModelResource($0, pool) }]))
      },
      Router.Route("GET", "/models/{name}") { context throws(Problem) in
        .respond(.json(ModelResource(try pool.model(context.parameters[0]), pool)))
      },
    ]
  }
}

extension ModelPool {
  /// - Throws: `Problem` 404 that names those that there are.
  func model(_ name: String) throws(Problem) -> ServedModel {
    guard let model = self[name] else {
      let names = models.map(\.name)
      throw Problem(
        .noSuchModel, "there is no model \"\(name)\"; there is \(names.joined(separator: ", "))",
        fields: ["models": .list(names)])
    }
    return model
  }
}

extension ModelPool {
  /// What a session gets whose request names no model.
  ///
  /// - Throws: `Problem` 422 where there are several and none is the default.
  func standard() throws(Problem) -> ServedModel {
    guard let defaultModel else {
      let names = models.map(\.name)
      throw Problem(
        .noDefaultModel,
        "the request names no model and none is the default; there is \(names.joined(separator: ", "))",
        fields: ["models": .list(names)])
    }
    return defaultModel
  }
}

/// A model as clients see it.
private struct ModelResource: Encodable {
  let name: String
  let task: String?
  let source: String?
  let isDefault: Bool
  let digest: String
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

  init(_ served: ServedModel, _ pool: ModelPool) {
    let configuration = served.model.configuration
    name = served.name
    task = served.description.task
    source = served.description.source
    isDefault = pool.defaultModel === served
    digest = "sha256:\(served.digest)"
    inputSize = configuration.inputSize
    outputSize = configuration.outputSize
    memory = configuration.memory
    controller = configuration.controller
    heads = configuration.heads
    parameters = served.model.parameterCount
    stateBytes = served.model.stateLayout.byteCount
    self.configuration = configuration
    training = served.description.training.flatMap(JSONText.init)
  }

  private enum CodingKeys: String, CodingKey {
    case name, task, source, digest, inputSize, outputSize, memory, controller, heads, parameters
    case stateBytes, configuration, training
    case isDefault = "default"
  }
}

/// JSON that a model file holds, passed on as it is.
private enum JSONText: Codable {
  case null
  case bool(Bool)
  /// Also what a double does not hold exactly, such as a seed of 64 bits.
  case integer(Int64)
  case unsigned(UInt64)
  case number(Double)
  case text(String)
  case list([JSONText])
  case object([String: JSONText])

  /// nil where the text is not JSON.
  init?(_ text: String) {
    guard let value = try? JSONDecoder().decode(JSONText.self, from: Data(text.utf8)) else {
      return nil
    }
    self = value
  }

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let bool = try? value.decode(Bool.self) {
      self = .bool(bool)
    } else if let integer = try? value.decode(Int64.self) {
      self = .integer(integer)
    } else if let unsigned = try? value.decode(UInt64.self) {
      self = .unsigned(unsigned)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let text = try? value.decode(String.self) {
      self = .text(text)
    } else if let list = try? value.decode([JSONText].self) {
      self = .list(list)
    } else {
      self = .object(try value.decode([String: JSONText].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null: try value.encodeNil()
    case .bool(let bool): try value.encode(bool)
    case .integer(let integer): try value.encode(integer)
    case .unsigned(let unsigned): try value.encode(unsigned)
    case .number(let number): try value.encode(number)
    case .text(let text): try value.encode(text)
    case .list(let list): try value.encode(list)
    case .object(let object): try value.encode(object)
    }
  }
}
