// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "ntm",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "NTMModel", targets: ["NTMModel"]),
    .library(name: "NTMTraining", targets: ["NTMTraining"]),
    .library(name: "NTMServer", targets: ["NTMServer"]),
    .executable(name: "ntm", targets: ["ntm"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CGnuTLS", pkgConfig: "gnutls",
      providers: [.apt(["libgnutls28-dev"]), .brew(["gnutls"])]),
    .systemLibrary(
      name: "CMicroHTTPD", pkgConfig: "libmicrohttpd",
      providers: [.apt(["libmicrohttpd-dev"]), .brew(["libmicrohttpd"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(name: "CDecimals"),
    .target(name: "CNTMKernels"),
    .target(name: "CNTMResources"),
    .target(name: "CProcess"),
    .target(
      name: "NTMModel",
      dependencies: [
        "CBLAS", "CNTMKernels", .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: swiftSettings),
    .target(
      name: "NTMTraining",
      dependencies: ["CNTMKernels", "NTMModel", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: swiftSettings),
    .target(
      name: "NTMServer",
      dependencies: [
        "CDecimals", "CGnuTLS", "CMicroHTTPD", "CNTMResources", "CZlib", "NTMModel",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ],
      // CNTMResources makes it a part of the program.
      exclude: ["Resources"],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "ntm",
      dependencies: [
        "CProcess", "NTMModel", "NTMServer", "NTMTraining",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "ntm-steps", dependencies: ["NTMModel"], path: "Benchmarks/speed/steps",
      swiftSettings: swiftSettings),
    .target(
      name: "NTMTestSupport", dependencies: ["NTMModel"], path: "Tests/NTMTestSupport",
      resources: [.copy("Fixtures")], swiftSettings: swiftSettings),
    .testTarget(
      name: "NTMModelTests", dependencies: ["NTMModel", "NTMTestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "NTMTrainingTests", dependencies: ["NTMModel", "NTMTestSupport", "NTMTraining"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "NTMServerTests",
      dependencies: [
        "NTMModel", "NTMServer", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swiftSettings),
    .testTarget(name: "ntmTests", dependencies: ["NTMModel", "ntm"], swiftSettings: swiftSettings),
  ],
  cLanguageStandard: .c11,
  cxxLanguageStandard: .cxx17
)
