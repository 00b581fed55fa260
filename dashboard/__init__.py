"""The shell around the screens: navigation, identity, cached reads, actions and the components they share."""
